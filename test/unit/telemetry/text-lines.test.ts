import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createLog } from '../../../src/telemetry/log.ts';
import { textLines } from '../../../src/telemetry/text-lines.ts';

/** What the log writes of one line, without its time. */
function asText(level: 'info' | 'warn', fields: object, message: string): string {
  const lines: string[] = [];
  const log = createLog({ level: 'debug', to: textLines({ write: (line) => lines.push(line) }) });
  log[level](fields, message);
  assert.equal(lines.length, 1);
  assert.match(lines[0] ?? '', /^\d\d:\d\d:\d\d [^\n]*\n$/);
  return (lines[0] ?? '').slice('00:00:00 '.length, -1);
}

describe('a log line in a terminal', () => {
  it('has time, level, message and fields, one line each', () => {
    assert.equal(
      asText('warn', { host: 'm1.corp', reason: 'connection refused', retryIn: 2000 }, 'a host is skipped'),
      'warn  a host is skipped  host=m1.corp reason="connection refused" retryIn=2000',
    );
    assert.equal(asText('info', {}, 'stopped'), 'info  stopped');
  });

  it('of a request begins with what was asked and answered, and has the trail in words', () => {
    const trail = [
      { endpoint: 'm1.corp/a', role: 'mirror', outcome: 'unreachable', reason: 'connection refused', ms: 1 },
      { endpoint: 'quay.io/a', role: 'source', outcome: 'ok', ms: 30 },
    ];
    const request = { id: 'r-1', method: 'GET', path: '/v2/quay.io/a/manifests/1', status: 200, ms: 31.5 };
    assert.equal(
      asText('info', { ...request, cache: 'fetched', trail }, 'request'),
      'info  GET 200 /v2/quay.io/a/manifests/1 in 31.5 ms  id=r-1 cache=fetched trail="m1.corp/a connection refused; quay.io/a ok"',
    );
  });

  it('shows a message of several lines as such, its fields in the first, the others indented', () => {
    const lines: string[] = [];
    const log = createLog({ level: 'debug', to: textLines({ write: (line) => lines.push(line) }) });
    log.error({ file: '/e.toml', line: 1 }, 'not reloaded: is not valid TOML\n1 | \ta = \n  | \t    ^');
    const indent = ' '.repeat(15);
    assert.deepEqual(lines.join('').split('\n').slice(1), [`${indent}1 |  a = `, `${indent}  |      ^`, '']);
    assert.match(
      lines[0] ?? '',
      /^[\d:]{8} error not reloaded: is not valid TOML {2}file=\/e\.toml line=1\n/,
    );
  });

  it('begins no line with text from outside, even if a message quotes it', () => {
    const lines: string[] = [];
    const log = createLog({ level: 'debug', to: textLines({ write: (line) => lines.push(line) }) });
    log.info({ path: 'a\nb' }, 'said x\r\n18:03:12 info  a lie');
    assert.match(
      lines[0] ?? '',
      /^\S+ info {2}said x\\u000d {2}path="a\\nb"\n {15}18:03:12 info {2}a lie\n$/,
    );
  });

  it('holds no control character, whatever a client or a registry sent', () => {
    const hostile = 'x\r\u001b[2J\u0007\u009b31m\u202e"y';
    const line = asText('info', { path: hostile, id: hostile, list: [hostile] }, `said ${hostile}`);
    assert.match(line, /^[\x20-\x7e]*$/);
    assert.match(line, /\\u001b\[2J/);
  });
});
