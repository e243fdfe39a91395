import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createLog } from '../../../src/telemetry/log.ts';

function logged(level: 'debug' | 'info' | 'warn' | 'error'): {
  log: ReturnType<typeof createLog>;
  lines: string[];
} {
  const lines: string[] = [];
  return { log: createLog({ level, to: { write: (line: string) => lines.push(line) } }), lines };
}

describe('the log', () => {
  it('writes one JSON object per line, with its level by name and the time', () => {
    const { log, lines } = logged('info');
    log.warn({ image: 'docker.io/library/alpine' }, 'something');
    const line = JSON.parse(lines[0]!);
    assert.equal(line.level, 'warn');
    assert.equal(line.msg, 'something');
    assert.equal(line.image, 'docker.io/library/alpine');
    assert.match(line.time, /^\d{4}-\d\d-\d\dT/);
  });

  it('leaves out what is below its level', () => {
    const { log, lines } = logged('warn');
    log.info('quiet');
    assert.equal(lines.length, 0);
  });

  it('shows no secret that somebody passes along', () => {
    const { log, lines } = logged('info');
    log.info(
      { password: 'hunter2', token: 'hunter2', headers: { authorization: 'hunter2', accept: 'x' } },
      'oops',
    );
    assert.doesNotMatch(lines[0]!, /hunter2/);
    assert.equal(JSON.parse(lines[0]!).headers.accept, 'x');
  });
});
