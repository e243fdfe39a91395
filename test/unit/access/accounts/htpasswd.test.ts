import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isReservedName, readHtpasswd } from '../../../../src/access/accounts/htpasswd.ts';

const tail = 'C6UzMDM.H6dfI/f/IKcEeO7ZVqx0q6m5m5b5m5b5m5b5m5b5m5b5m';
const bcrypt = `$2y$05$${tail}`;

function read(...lines: string[]) {
  const { accounts, problems } = readHtpasswd(lines.join('\n'), 'htpasswd');
  return { names: [...accounts.keys()], problems: problems.map(({ located }) => located) };
}

describe('an htpasswd file', () => {
  it('takes the three spellings of bcrypt, comments, empty lines and CRLF', () => {
    const { names, problems } = read(
      '# people',
      '',
      `ann:${bcrypt}\r`,
      `bob:$2a$10$${tail}`,
      `ci:$2b$12$${tail}`,
    );
    assert.deepEqual([names, problems], [['ann', 'bob', 'ci'], []]);
  });

  for (const [kind, hash] of [
    ['an MD5 hash', '$apr1$xyz$0123456789012345678901'],
    ['an MD5 hash', '$1$xyz$0123456789012345678901'],
    ['a SHA-1 hash', '{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g='],
    ['a crypt hash', '$6$salt$hash'],
    ['an incomplete bcrypt hash', '$2y$05$short'],
    ['no bcrypt hash', 'secret'],
  ] as const) {
    it(`refuses ${kind} with file, line and a way out, and shows nothing of it (${hash.slice(0, 5)})`, () => {
      const { names, problems } = read(`ann:${bcrypt}`, `bob:${hash}`);
      assert.deepEqual(names, ['ann']);
      assert.equal(
        problems[0],
        `htpasswd:2: the account "bob" has ${kind}; only bcrypt is accepted: make a line with: htpasswd -nB NAME`,
      );
    });
  }

  it('refuses a cost that bcrypt does not know, and one that takes minutes', () => {
    const { names, problems } = read(
      `a:$2y$03$${tail}`,
      `b:$2y$17$${tail}`,
      `c:$2y$04$${tail}`,
      `d:$2y$16$${tail}`,
    );
    assert.deepEqual(names, ['c', 'd']);
    assert.equal(problems.length, 2);
    assert.match(problems[0] ?? '', /^htpasswd:1: .*"a" has a cost that is not 4 to 16/);
  });

  it('keeps the first of two lines for one account, and says so', () => {
    const { names, problems } = read(`ann:${bcrypt}`, `ann:$2y$10$${tail}`);
    assert.deepEqual(names, ['ann']);
    assert.match(problems[0] ?? '', /^htpasswd:2: a second line for the account "ann"/);
  });

  it('refuses names that a rule would take for another kind of client', () => {
    const { names, problems } = read(`anonymous:${bcrypt}`, `cn=node-1:${bcrypt}`, 'nonsense', `:${bcrypt}`);
    assert.deepEqual(names, []);
    assert.equal(problems.length, 4);
    for (const name of ['anonymous', 'group:x', 'cn=x', 'dns=x', 'uri=x', 'email=x', 'ip=x'])
      assert.ok(isReservedName(name), name);
    assert.equal(isReservedName('ann@corp.example'), false);
  });
});
