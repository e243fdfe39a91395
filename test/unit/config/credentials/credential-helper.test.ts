import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { createCredentialHelper, findProgram } from '../../../../src/config/credentials/credential-helper.ts';
import type { EntrepotError } from '../../../../src/errors.ts';
import type { Clock } from '../../../../src/lib/clock.ts';
import { createManualClock } from '../../../support/clock.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

/** Real programs: `script` is what docker-credential-test does, in sh. */
function setUp(
  t: TestContext,
  script: string,
  limits: { timeout?: number; longest?: number; clock?: Clock } = {},
) {
  const folder = tempFolder(t);
  const program = join(folder, 'docker-credential-test');
  writeFileSync(program, `#!/bin/sh\n${script}\n`);
  chmodSync(program, 0o755);
  const env = { PATH: `${folder}:/usr/bin:/bin`, MARK: 'from the environment' };
  const run = createCredentialHelper({ env, timeout: 20_000, ...limits });
  return { folder, program, run: () => run('test', 'r.corp:5000'), runNamed: run };
}

async function failure(attempt: Promise<unknown>): Promise<EntrepotError> {
  try {
    await attempt;
  } catch (error) {
    return error as EntrepotError;
  }
  throw new assert.AssertionError({ message: 'it did not fail' });
}

describe('a credential helper', () => {
  it('is asked with get and the server on its input, and sees the environment', async (t) => {
    const { run } = setUp(
      t,
      `s=$(cat); printf '{"ServerURL":"x","Username":"%s","Secret":"%s"}' "$1 $s" "$MARK"`,
    );
    assert.deepEqual(await run(), { username: 'get r.corp:5000', secret: 'from the environment' });
  });

  it('answers as well without reading its input', async (t) => {
    const { run } = setUp(t, `printf '{"Username":"u","Secret":"p"}'`);
    assert.deepEqual(await run(), { username: 'u', secret: 'p' });
  });

  it('is run once for all who ask the same at the same time, and again afterwards', async (t) => {
    const { folder, run } = setUp(
      t,
      `echo x >> "$(dirname "$0")/runs"; echo '{"Username":"u","Secret":"p"}'`,
    );
    const runs = () => readFileSync(join(folder, 'runs'), 'utf8').length / 2;
    assert.deepEqual(await Promise.all([run(), run(), run()]), Array(3).fill({ username: 'u', secret: 'p' }));
    assert.equal(runs(), 1);
    await run();
    assert.equal(runs(), 2);
  });

  it('has nothing when it says so, or when its answer is empty', async (t) => {
    for (const script of [
      "echo 'credentials not found in native keychain'; exit 1",
      `echo '{"Username":"","Secret":""}'`,
      `echo '{}'`,
    ]) {
      assert.equal(await setUp(t, script).run(), undefined);
    }
  });

  it('that fails is told with its message, which it writes to its output', async (t) => {
    const { run } = setUp(t, "echo 'the keyring is locked'; echo more; exit 3");
    const { code, message } = await failure(run());
    assert.equal(code, 'CREDENTIALS_UNUSABLE');
    assert.match(message, /docker-credential-test.*r\.corp:5000.*exit code 3: the keyring is locked$/);
  });

  it('that fails with what looks like an answer is not quoted', async (t) => {
    const { run } = setUp(t, `echo '{"Secret":"s3cret"}'; echo s3cret >&2; exit 1`);
    const error = await failure(run());
    assert.ok(!`${error.stack}${JSON.stringify(error)}${error.cause}`.includes('s3cret'));
  });

  for (const [what, script] of [
    ['no JSON', 'echo s3cret'],
    ['nothing', 'true'],
    ['a list', `echo '["s3cret"]'`],
    ['a number for a secret', `echo '{"Username":"s3cret","Secret":1}'`],
  ] as const) {
    it(`that answers with ${what} is an error, not quoted`, async (t) => {
      const { code, message } = await failure(setUp(t, script).run());
      assert.equal(code, 'CREDENTIALS_UNUSABLE');
      assert.ok(!message.includes('s3cret'));
    });
  }

  it('that does not end is killed', async (t) => {
    const { run } = setUp(t, 'exec sleep 600', { longest: 100 });
    assert.match((await failure(run())).message, /it did not end within 100 ms/);
  });

  it('that takes longer than a caller waits goes on, and its answer is for the next caller', async (t) => {
    const clock = createManualClock();
    const { folder, run } = setUp(
      t,
      `echo x >> "$(dirname "$0")/runs"; until [ -e "$(dirname "$0")/go" ]; do sleep 0.05; done
      echo '{"Username":"u","Secret":"p"}'; touch "$(dirname "$0")/done"`,
      { timeout: 30_000, clock },
    );
    for (let time = 0; time < 2; time += 1) {
      const failed = failure(run());
      await clock.armed(30_000);
      await clock.advance(30_000);
      assert.match((await failed).message, /did not answer within 30000 ms; it goes on for the next request/);
    }
    writeFileSync(join(folder, 'go'), '');
    assert.deepEqual(await run(), { username: 'u', secret: 'p' });
    assert.equal(readFileSync(join(folder, 'runs'), 'utf8'), 'x\n', 'it ran once');
  });

  it('that fails with a message on its error output is told with that', async (t) => {
    const { run } = setUp(
      t,
      "echo 'secretservice: the bus is not there https://u:p4ss@h/x?t=s3cret' >&2; exit 1",
    );
    const { message } = await failure(run());
    assert.match(message, /exit code 1: secretservice: the bus is not there https:\/\/h\/x$/);
  });

  it('that never stops talking is cut off', async (t) => {
    const { run } = setUp(t, 'exec yes');
    assert.match((await failure(run())).message, /longer than/);
  });

  it('that is not installed is named, with the PATH that was searched', async (t) => {
    const { folder, runNamed } = setUp(t, '');
    const { code, message } = await failure(runNamed('absent', 'h.io'));
    assert.equal(code, 'CREDENTIALS_UNUSABLE');
    assert.ok(message.includes('docker-credential-absent') && message.includes(folder));
  });

  it('that may not be executed is an error', async (t) => {
    const { program, run } = setUp(t, 'echo {}');
    chmodSync(program, 0o644);
    assert.match((await failure(run())).message, /may not be executed/);
  });

  for (const name of ['', '../x', 'a/b', 'a b', 'a;b', '$(x)', 'a\n']) {
    it(`is not run under the name ${JSON.stringify(name)}`, async (t) => {
      assert.equal((await failure(setUp(t, '').runNamed(name, 'h.io'))).code, 'CREDENTIALS_UNUSABLE');
    });
  }
});

describe('findProgram', () => {
  it('finds what is executable in PATH', (t) => {
    const { folder, program } = setUp(t, '');
    assert.equal(findProgram('docker-credential-test', { PATH: `/nowhere::${folder}` }), program);
    assert.equal(findProgram('docker-credential-test', { PATH: '/nowhere' }), undefined);
    assert.equal(findProgram('docker-credential-test', {}), undefined);
  });

  it('passes over a directory', (t) => {
    const { folder } = setUp(t, '');
    mkdirSync(join(folder, 'docker-credential-dir'));
    assert.equal(findProgram('docker-credential-dir', { PATH: folder }), undefined);
  });
});
