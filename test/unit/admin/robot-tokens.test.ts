import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { createRobots } from '../../../src/access/accounts/robots.ts';
import { createRobotTokens } from '../../../src/admin/robot-tokens.ts';
import type { AccessRule } from '../../../src/config/config.ts';
import { passwordLine } from '../../support/access.ts';
import { createManualClock } from '../../support/clock.ts';
import { tempFolder } from '../../support/temp-folder.ts';

function setUp(t: TestContext, rules: readonly AccessRule[] = []) {
  const folder = tempFolder(t);
  writeFileSync(join(folder, 'htpasswd'), passwordLine('ann', 'x'));
  const clock = createManualClock();
  const robots = createRobots({ clock, onProblem: assert.fail }, join(folder, 'robots.json'));
  let changes = 0;
  const tokens = createRobotTokens({
    robots,
    clock,
    access: () => ({ anonymous: [], rules, htpasswd: join(folder, 'htpasswd') }),
    changed: async () => {
      changes += 1;
    },
  });
  return { clock, robots, tokens, changes: () => changes };
}

const wanted = { name: 'ci', match: ['**'], may: ['pull'], expires: undefined };

describe('the commands on robot tokens', () => {
  it('make one that lives as long as was asked for, and tell the server', async (t) => {
    const { clock, robots, tokens, changes } = setUp(t);
    const made = await tokens.create({ ...wanted, may: ['push', 'pull', 'push'], expires: '90d' });
    assert.equal(robots.verify(made.token)?.name, 'ci');
    assert.deepEqual(
      [made.may, made.created, made.expires, made.expired],
      [['pull', 'push'], '2026-01-01T00:00:00.000Z', '2026-04-01T00:00:00.000Z', false],
    );
    assert.equal(changes(), 1);
    await clock.advance(90 * 86_400_000);
    const [listed] = await tokens.list();
    assert.equal(listed?.expired, true);
    assert.ok(listed && !('token' in listed) && !('id' in listed), 'a list shows nothing of a token');
    assert.equal((await tokens.revoke('ci')).name, 'ci');
    assert.deepEqual(await tokens.list(), []);
  });

  it('warn of one that may push where it may not pull', async (t) => {
    const rule = { who: ['b*'], match: 'x.test/a/**', may: ['pull'] } as const;
    const { tokens } = setUp(t, [rule]);
    const warning = async (name: string, match: string, may: readonly string[]) =>
      (await tokens.create({ ...wanted, name, match: [match], may })).warning;
    assert.match(
      (await warning('a', 'x.test/a/**', ['push'])) ?? '',
      /^the token "a" may push to x\.test\/a\/\*\*, but nothing lets it pull there: .*--may pull,push$/,
    );
    assert.equal(await warning('b', 'x.test/a/**', ['push']), null, 'the rule lets it pull');
    assert.notEqual(await warning('b2', 'x.test/b/**', ['push']), null, 'the rule is for other images');
    assert.equal(await warning('c', 'x.test/a/**', ['push', 'pull']), null);
    assert.equal(await warning('d', 'x.test/a/**', ['pull']), null);
    assert.equal(await warning('e', 'x.test/a/**', ['delete']), null);
  });

  for (const [what, change, message] of [
    ['of an account', { name: 'ann' }, /there is an account "ann" already/],
    ['anonymous', { name: 'anonymous' }, /rules mean other clients by it/],
    ['of a certificate', { name: 'cn=x' }, /rules mean other clients by it/],
    ['of a group', { name: 'group:x' }, /rules mean other clients by it/],
    ['with a space', { name: 'a b' }, /cannot be the name of a token/],
  ] as const) {
    it(`refuse the name ${what}`, async (t) => {
      const { tokens, changes } = setUp(t);
      await assert.rejects(tokens.create({ ...wanted, ...change }), { code: 'USAGE', message });
      assert.equal(changes(), 0);
    });
  }

  for (const [what, change, message] of [
    ['no images', { match: [] }, /--match is missing/],
    ['a glob that is open', { match: ['[x'] }, /--match must be a pattern/],
    ['no right', { may: [] }, /--may is missing/],
    [
      'an unknown right',
      { may: ['fly'] },
      /--may must be "pull", "push", "delete" or "administer", not "fly"/,
    ],
    ['an age that is none', { expires: 'soon' }, /--expires must be/],
    ['no life at all', { expires: '0s' }, /never works/],
  ] as const) {
    it(`refuse a token with ${what}`, async (t) => {
      const { tokens } = setUp(t);
      await assert.rejects(tokens.create({ ...wanted, ...change }), { code: 'USAGE', message });
      assert.deepEqual(await tokens.list(), []);
    });
  }
});
