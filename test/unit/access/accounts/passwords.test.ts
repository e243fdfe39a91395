import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { hashSync } from 'bcryptjs';
import { createBcrypt } from '../../../../src/access/accounts/bcrypt.ts';
import { createPasswords } from '../../../../src/access/accounts/passwords.ts';
import { createManualClock } from '../../../support/clock.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const hashes = { right: hashSync('right', 4), other: hashSync('other', 5) };

/** Passwords over a comparer that only counts. `answer`: what each comparison gives. */
function setUp(t: TestContext, lines: string[] = [`ann:${hashes.right}`, `bob:${hashes.other}`]) {
  const file = join(tempFolder(t), 'htpasswd');
  const write = (...all: string[]) => writeFileSync(file, `${all.join('\n')}\n`);
  write(...lines);
  const clock = createManualClock();
  const asked: { password: string; hash: string }[] = [];
  const problems: string[] = [];
  let answer: boolean | 'busy' = true;
  const bcrypt = {
    async matches(password: string, hash: string) {
      asked.push({ password, hash });
      return answer;
    },
    close: async () => {},
  };
  const passwords = createPasswords(
    { clock, bcrypt, onProblem: ({ located }) => void problems.push(located.replace(`${file}:`, '')) },
    file,
  );
  return {
    passwords,
    clock,
    asked,
    problems,
    write,
    answer: (value: typeof answer) => {
      answer = value;
    },
  };
}

describe('passwords', () => {
  it('that were right are remembered until they have not been used for 36 hours', async (t) => {
    const { passwords, clock, asked } = setUp(t);
    await clock.advance(1);
    assert.equal(passwords.remembers('ann', 'right'), false);
    assert.equal(await passwords.verify('ann', 'right'), true);
    assert.equal(passwords.remembers('ann', 'right'), true);
    assert.equal(passwords.remembers('bob', 'right'), false, 'the hash is another one');
    for (let day = 0; day < 3; day++) {
      await clock.advance(24 * 3_600_000);
      assert.equal(passwords.remembers('ann', 'right'), true, 'each use counts anew');
    }
    await clock.advance(36 * 3_600_000 + 1);
    assert.equal(passwords.remembers('ann', 'right'), false);
    assert.equal(asked.length, 1);
  });

  it('are compared once for requests that come together', async (t) => {
    const { passwords, asked } = setUp(t);
    const found = await Promise.all(Array.from({ length: 20 }, () => passwords.verify('ann', 'right')));
    assert.deepEqual([new Set(found), asked.length], [new Set([true]), 1]);
  });

  it('that were wrong are not remembered', async (t) => {
    const { passwords, asked, answer } = setUp(t);
    answer(false);
    assert.equal(await passwords.verify('ann', 'wrong'), false);
    assert.equal(await passwords.verify('ann', 'wrong'), false);
    assert.equal(asked.length, 2);
  });

  it('of more than 72 bytes are refused without a comparison, since bcrypt would cut them', async (t) => {
    const { passwords, asked } = setUp(t);
    assert.equal(await passwords.verify('ann', 'é'.repeat(37)), false);
    assert.equal(asked.length, 0);
  });

  it('of unknown accounts cost one comparison, of a cost that an account has, and never count', async (t) => {
    const { passwords, asked } = setUp(t);
    const names = Array.from({ length: 30 }, (_, n) => `nobody-${n}`);
    for (const name of names) assert.equal(await passwords.verify(name, 'x'), false);
    assert.deepEqual(new Set(asked.map(({ hash }) => hash.slice(0, 7))), new Set(['$2b$04$', '$2b$05$']));
    assert.deepEqual(new Set(asked.map(({ hash }) => hash.length)), new Set([60]));
    const first = asked[0]?.hash;
    await passwords.verify('nobody-0', 'y');
    assert.equal(asked.at(-1)?.hash, first, 'always of the same cost');
  });

  it('follow the file: a removed account and a changed hash count at once', async (t) => {
    const { passwords, write, answer } = setUp(t);
    assert.equal(await passwords.verify('ann', 'right'), true);
    write(`ann:${hashes.other}`);
    answer(false);
    assert.equal(passwords.remembers('ann', 'right'), false);
    assert.equal(await passwords.verify('ann', 'right'), false);
    assert.deepEqual(passwords.names(), ['ann']);
    assert.equal(passwords.account('bob'), undefined);
  });

  it('survive a file that is being rewritten, and fail closed when it stays away', async (t) => {
    const { passwords, clock, problems, write } = setUp(t);
    write('ann:{SHA}x', `bob:${hashes.other}`);
    assert.deepEqual(passwords.names(), ['bob'], 'a line that cannot be used is left out');
    assert.match(problems[0] ?? '', /^1: the account "ann" has a SHA-1 hash/);
    write('\0'.repeat(5 * 1024 * 1024));
    assert.deepEqual(passwords.names(), ['bob']);
    await clock.advance(5_001);
    assert.deepEqual(passwords.names(), []);
    assert.match(problems[1] ?? '', /bytes long/);
  });

  it('refuse at the start a file with any line that cannot be used, and name all of them', (t) => {
    assert.throws(() => setUp(t, ['ann:plain', 'bob:{SHA}x', `eve:${hashes.right}`]), {
      code: 'CONFIG_INVALID',
      line: 1,
      message: /"ann" has no bcrypt hash[\s\S]*htpasswd:2: the account "bob" has a SHA-1 hash/,
    });
  });
});

describe('the thread that compares', () => {
  it('knows right from wrong, and takes a hash that cannot be read for wrong', async (t) => {
    const bcrypt = createBcrypt();
    t.after(() => bcrypt.close());
    assert.equal(await bcrypt.matches('right', hashes.right), true);
    assert.equal(await bcrypt.matches('wrong', hashes.right), false);
    assert.equal(await bcrypt.matches('right', hashes.right.replace('$04$', '$99$')), false);
    assert.equal(await bcrypt.matches('right', hashes.right), true, 'it still runs');
  });

  it('says busy beyond 64 comparisons, and rejects those that wait when it is closed', async () => {
    const bcrypt = createBcrypt();
    const all = Array.from({ length: 64 }, () => bcrypt.matches('x', hashes.other).catch(() => 'closed'));
    assert.equal(await bcrypt.matches('x', hashes.other), 'busy');
    await bcrypt.close();
    assert.ok((await Promise.all(all)).includes('closed'));
  });
});
