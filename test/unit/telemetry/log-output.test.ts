import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, constants, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { createLogOutput } from '../../../src/telemetry/log-output.ts';
import { eventually } from '../../support/eventually.ts';
import { fullPipe } from '../../support/full-pipe.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const minute = 60_000;

describe('the output of the log', () => {
  it('writes whole lines in their order', async (t) => {
    const file = join(tempFolder(t), 'log');
    const fd = openSync(file, 'w');
    t.after(() => closeSync(fd));
    const output = createLogOutput(fd);
    const lines = Array.from({ length: 1000 }, (_, at) => `line ${at}\n`);
    for (const line of lines) output.write(line);
    await output.flush(minute);
    assert.equal(readFileSync(file, 'utf8'), lines.join(''));
    assert.equal(output.dropped, 0);
  });

  it('counts each line that the descriptor refuses, and resolves all the same', async (t) => {
    const fd = openSync('/dev/full', 'w');
    t.after(() => closeSync(fd));
    const output = createLogOutput(fd);
    for (let at = 0; at < 1000; at += 1) output.write(`line ${at}\n`);
    await output.flush(minute);
    assert.equal(output.dropped, 1000);
    output.write('last\n');
    output.flushSync();
    assert.equal(output.dropped, 1001);
  });

  it('closes its descriptor only after a write that stalls, and writes nothing behind it', async (t) => {
    const pipe = fullPipe(t);
    const output = createLogOutput(openSync(pipe.path, 'w'));
    const long = `${'x'.repeat(5000)}\n`;
    output.write(long);
    output.write('waits\n');
    const closed = output.close(0);
    await eventually('the line that waits is given up', () => output.dropped === 1);
    output.write('late\n');
    assert.equal(pipe.read().length, pipe.size);
    await closed;
    assert.equal(pipe.read(), long);
    assert.equal(pipe.isEnded(), true);
    assert.equal(output.dropped, 2);
  });

  it('drops what a full pipe has not taken when it is closed', async (t) => {
    const pipe = fullPipe(t);
    const output = createLogOutput(openSync(pipe.path, constants.O_WRONLY | constants.O_NONBLOCK));
    output.write('first\n');
    output.write('second\n');
    await output.close(0);
    assert.equal(output.dropped, 2);
    assert.equal(pipe.read().length, pipe.size);
    assert.equal(pipe.isEnded(), true);
  });

  it('loses nothing at exit', () => {
    const module = JSON.stringify(import.meta.resolve('../../../src/telemetry/log-output.ts'));
    const program = `import { createLogOutput } from ${module};
      const output = createLogOutput(1);
      process.on('exit', output.flushSync);
      output.write('last words\\n');
      process.exit(3);`;
    const run = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' });
    assert.equal(run.status, 3);
    assert.equal(run.stdout, 'last words\n');
  });
});
