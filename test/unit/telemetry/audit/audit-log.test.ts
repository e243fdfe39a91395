import assert from 'node:assert/strict';
import { existsSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { AuditEntry } from '../../../../src/telemetry/audit/audit.ts';
import { createAuditLog } from '../../../../src/telemetry/audit/audit-log.ts';
import { createManualClock } from '../../../support/clock.ts';
import { eventually } from '../../../support/eventually.ts';
import { fullPipe } from '../../../support/full-pipe.ts';
import { type Cleanup, tempFolder } from '../../../support/temp-folder.ts';

const all = { actions: ['pull', 'push', 'delete', 'change'], blobs: false } as const;

const pull = (image: string): AuditEntry => ({
  ...{ action: 'pull', outcome: 'done', principal: { kind: 'account', name: 'ann' } },
  ...{ client: '192.0.2.1', id: 'r1', image, tag: '1', kind: 'manifest', status: 200, bytes: 10 },
});

function setUp(t: Cleanup) {
  const file = join(tempFolder(t), 'audit.log');
  const clock = createManualClock(0);
  const lines: object[] = [];
  const audit = createAuditLog({ clock, log: { error: (fields: object) => void lines.push(fields) } });
  t.after(() => audit.close());
  const read = (path = file): { image?: string }[] =>
    existsSync(path)
      ? readFileSync(path, 'utf8')
          .split('\n')
          .filter((line) => line !== '')
          .map((line) => JSON.parse(line))
      : [];
  return { file, clock, audit, read, lines };
}

describe('the audit log', () => {
  it('writes a line for each entry, with the time and the principal', async (t) => {
    const { file, audit, read } = setUp(t);
    audit.prepare({ ...all, file })();
    audit.record(pull('ex.test/a'));
    await audit.close();
    const [line] = read();
    assert.deepEqual(line, {
      ...{ time: new Date(0).toISOString(), action: 'pull', outcome: 'done', client: '192.0.2.1', id: 'r1' },
      ...{ image: 'ex.test/a', tag: '1', kind: 'manifest', status: 200, bytes: 10 },
      ...{ principal: 'ann', principal_kind: 'account' },
    });
  });

  it('writes only the actions that are wanted, and pulls of blobs only where they are', async (t) => {
    const { file, audit, read } = setUp(t);
    audit.prepare({ file, actions: ['pull'], blobs: false })();
    audit.record({ ...pull('ex.test/push'), action: 'push' });
    audit.record({ ...pull('ex.test/blob'), kind: 'blob' });
    audit.record({ ...pull('ex.test/denied'), kind: 'blob', outcome: 'denied' });
    audit.prepare({ file, actions: ['pull'], blobs: true })();
    audit.record({ ...pull('ex.test/wanted'), kind: 'blob' });
    await audit.close();
    assert.deepEqual(
      read().map(({ image }) => image),
      ['ex.test/denied', 'ex.test/wanted'],
    );
  });

  it('goes on in a new file once the system has moved the old one away', async (t) => {
    const { file, clock, audit, read } = setUp(t);
    audit.prepare({ ...all, file })();
    audit.record(pull('ex.test/before'));
    await eventually('the line is written', () => read().length === 1);
    renameSync(file, `${file}.1`);
    await clock.advance(1000);
    audit.record(pull('ex.test/notices'));
    await eventually('the file is open anew', () => existsSync(file));
    audit.record(pull('ex.test/after'));
    await audit.close();
    assert.deepEqual(
      read(`${file}.1`).map(({ image }) => image),
      ['ex.test/before', 'ex.test/notices'],
    );
    assert.deepEqual(
      read().map(({ image }) => image),
      ['ex.test/after'],
    );
  });

  it('refuses a file that cannot be opened, and keeps the one that is open', async (t) => {
    const { file, audit, read } = setUp(t);
    audit.prepare({ ...all, file })();
    assert.throws(() => audit.prepare({ ...all, file: join(file, 'x') }), {
      code: 'OUTPUT_UNUSABLE',
      message: /^the audit log cannot be opened: ENOTDIR.*; name another file in \[audit\] file$/,
      file: join(file, 'x'),
    });
    audit.record(pull('ex.test/a'));
    await audit.close();
    assert.equal(read().length, 1);
  });

  it('counts lines that a file has not taken when it is given up, and leaves no descriptor of it', async (t) => {
    const { file, audit, read } = setUp(t);
    const pipe = fullPipe(t);
    audit.prepare({ ...all, file: pipe.path })();
    audit.record(pull('ex.test/lost'));
    audit.prepare({ ...all, file: pipe.path })();
    audit.prepare({ ...all, file })();
    await eventually('the line is given up', () => audit.dropped === 1);
    await eventually('no descriptor is left', () => pipe.writers === 0);
    assert.equal(pipe.read().length, pipe.size);
    audit.record(pull('ex.test/a'));
    await audit.close();
    assert.deepEqual([read().length, audit.dropped], [1, 1]);
  });

  it('counts lines that the disk does not take', async (t) => {
    const { audit } = setUp(t);
    audit.prepare({ ...all, file: '/dev/full' })();
    audit.record(pull('ex.test/a'));
    await audit.close();
    assert.equal(audit.dropped, 1);
  });
});
