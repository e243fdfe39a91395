import assert from 'node:assert/strict';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { createCredentialPrints } from '../../../../src/access/accounts/credential-prints.ts';
import { createRobots, type Robots } from '../../../../src/access/accounts/robots.ts';
import { createManualClock } from '../../../support/clock.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const ci = { name: 'ci', match: ['docker.io/team/**'], may: ['pull', 'push'], expires: undefined } as const;

function setUp(t: TestContext) {
  const file = join(tempFolder(t), 'access', 'robots.json');
  const clock = createManualClock();
  const problems: string[] = [];
  const open = () => createRobots({ clock, onProblem: ({ message }) => void problems.push(message) }, file);
  return { file, clock, problems, open, robots: open() };
}

describe('robot tokens', () => {
  it('are shown once; the file keeps a hash alone, for its owner', (t) => {
    const { file, robots } = setUp(t);
    const token = robots.create(ci);
    assert.match(token, /^entrepot_[\w-]{43}$/);
    const stored = readFileSync(file, 'utf8');
    assert.ok(!stored.includes(token) && !stored.includes(token.slice(9)));
    assert.match(stored, /"hash": "[0-9a-f]{64}"/);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.ok(!JSON.stringify([robots.list(), robots.verify(token)]).includes('hash'));
  });

  it('work in another process as soon as they are made, and stop there as soon as they are revoked', (t) => {
    const { robots, open } = setUp(t);
    const other = open();
    assert.deepEqual(other.list(), []);
    const token = robots.create(ci);
    assert.equal(other.verify(token)?.name, 'ci');
    assert.deepEqual(other.find('ci')?.may, ['pull', 'push']);
    assert.equal(other.revoke('ci'), true);
    assert.equal(robots.verify(token), undefined);
    assert.equal(robots.find('ci'), undefined);
    assert.equal(robots.revoke('ci'), false);
  });

  it('end at their time, and are listed until they are revoked', async (t) => {
    const { robots, clock } = setUp(t);
    const token = robots.create({ ...ci, expires: clock.now() + 1000 });
    assert.equal(robots.verify(token)?.name, 'ci');
    await clock.advance(1000);
    assert.equal(robots.verify(token), undefined);
    assert.equal(robots.find('ci'), undefined);
    assert.equal(robots.list().length, 1);
  });

  it('have a name each, which no other kind of client can have', (t) => {
    const { robots } = setUp(t);
    robots.create(ci);
    assert.throws(() => robots.create(ci), { code: 'USAGE', message: /there is a token "ci" already/ });
    for (const name of ['', 'anonymous', 'cn=x', 'group:x', 'a b', 'a:b', '-a', 'a'.repeat(129), '../x'])
      assert.throws(() => robots.create({ ...ci, name }), { code: 'USAGE' }, name);
  });

  it('of one name differ, also when they were made in the same millisecond', (t) => {
    const { robots } = setUp(t);
    const prints = createCredentialPrints({ passwords: undefined, robots });
    robots.create(ci);
    const before = prints.of('robot', 'ci');
    assert.ok(before);
    robots.revoke('ci');
    assert.equal(prints.of('robot', 'ci'), undefined);
    robots.create(ci);
    assert.notEqual(prints.of('robot', 'ci'), before);
    assert.equal(prints.of('oidc', 'ci'), undefined);
  });

  it('that resemble one, or are cut, are unknown', (t) => {
    const { robots } = setUp(t);
    const token = robots.create(ci);
    for (const one of ['', 'entrepot_', token.slice(0, -1), `${token}A`, token.slice(9), token.toUpperCase()])
      assert.equal(robots.verify(one), undefined);
  });

  for (const [what, text] of [
    ['no JSON', '{'],
    [
      'an expiry that is no number',
      '{"robots":[{"name":"a","match":[],"may":[],"hash":"x","created":1,"expires":"soon"}]}',
    ],
    ['a list elsewhere', '{"tokens":[]}'],
  ] as const) {
    it(`are none where the file holds ${what}: requests fail closed, commands say so`, (t) => {
      const { file, robots, problems } = setUp(t);
      const token = robots.create(ci);
      writeFileSync(file, text);
      assert.equal(robots.verify(token), undefined);
      assert.equal(robots.find('ci'), undefined);
      assert.match(problems[0] ?? '', /^is no file of robot tokens/);
      assert.throws(() => robots.list(), { code: 'DATA_UNUSABLE', file });
      assert.throws(() => robots.create({ ...ci, name: 'b' }), { code: 'DATA_UNUSABLE' });
      assert.equal(readFileSync(file, 'utf8'), text, 'it is not written over');
    });
  }

  it('come to the same in all replicas, and a revocation is final', (t) => {
    const clock = createManualClock();
    const [a, b] = [1, 2].map(() =>
      createRobots(
        { clock, onProblem: ({ message }) => assert.fail(message) },
        join(tempFolder(t), 'r.json'),
      ),
    ) as [Robots, Robots];
    const wanted = { match: ['**'], may: ['pull'] as const, expires: undefined };
    const token = a.create({ name: 'ci', ...wanted });
    const other = b.create({ name: 'ci', ...wanted });
    const before = a.told();
    assert.deepEqual(b.hear(before), { isChanged: true, ignored: [] });
    assert.deepEqual(b.hear(before), { isChanged: false, ignored: [] });
    a.hear(b.told());
    for (const robots of [a, b])
      assert.deepEqual([robots.verify(token)?.name, robots.verify(other)?.name], ['ci', 'ci']);
    assert.equal(a.find('ci')?.id, b.find('ci')?.id);
    assert.equal(b.revoke('ci'), true);
    a.hear(b.told());
    assert.deepEqual([a.verify(token), a.verify(other)], [undefined, undefined]);
    assert.deepEqual(a.hear(before), { isChanged: false, ignored: [] }, 'it does not come back');
    assert.deepEqual(a.list(), []);
  });

  it('take nothing from other replicas that is no robot', (t) => {
    const robots = createRobots(
      { clock: createManualClock(), onProblem: () => {} },
      join(tempFolder(t), 'r.json'),
    );
    const hash = 'a'.repeat(64);
    const row = { name: 'ci', match: ['**'], may: ['pull', 'fly'], hash, created: 1 };
    const rows = [
      { ...row, name: 'anonymous' },
      { ...row, name: 'a b' },
      { ...row, hash: 'b'.repeat(64) },
      { ...row, match: '**' },
      { ...row, expires: 'never' },
      { ...row, match: ['x'.repeat(70_000)] },
      [],
    ].map((one) => ({ hash, robot: JSON.stringify(one), revoked: undefined }));
    for (const one of [...rows, { hash, robot: '{', revoked: undefined }])
      assert.deepEqual(robots.hear([one]), { isChanged: false, ignored: [hash.slice(0, 12)] });
    robots.hear([{ hash, robot: JSON.stringify(row), revoked: undefined }]);
    assert.deepEqual(
      robots.list().map(({ name, may }) => [name, may]),
      [['ci', ['pull']]],
    );
  });
});
