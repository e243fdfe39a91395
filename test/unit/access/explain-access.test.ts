import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { accessFiles } from '../../../src/access/access-files.ts';
import { createRobots } from '../../../src/access/accounts/robots.ts';
import { explainAccess } from '../../../src/access/explain-access.ts';
import type { AccessConfig, AccessRule } from '../../../src/config/config.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { passwordLine } from '../../support/access.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const image = 'ex.test/team/app';
const rule = (who: string, ...may: AccessRule['may']): AccessRule => ({
  who: [who],
  match: '**',
  may,
  line: 7,
});
const oidc = { issuer: 'https://login.test', audience: 'entrepot', name: 'sub', groups: 'groups' };

/** What `name` may do with the image, each by what. */
function setUp(t: TestContext, change: Partial<AccessConfig> = {}) {
  const folder = tempFolder(t);
  const htpasswd = join(folder, 'htpasswd');
  writeFileSync(htpasswd, passwordLine('ann', 'x'));
  const data = join(folder, 'data');
  const robotFile = join(data, accessFiles.robots);
  const robots = createRobots({ clock: systemClock, onProblem: assert.ifError }, robotFile);
  const config: AccessConfig = {
    ...{ anonymous: [], htpasswd, tokenKey: undefined, realm: undefined, oidc: [], issuers: [] },
    rules: [rule('ann', 'pull', 'push')],
    ...change,
  };
  const explain = (name: string, file?: string) => explainAccess(config, data, { name, image, file });
  const told = (name: string) => {
    const { kind, pull, push, delete: deletion } = explain(name);
    return [kind, pull?.by, push?.by, deletion?.by];
  };
  return { explain, told, robots, robotFile };
}

describe('what a principal may do', () => {
  it('is told of an account, with the rule', (t) => {
    const { explain, told } = setUp(t);
    assert.deepEqual(told('ann'), ['account', 'rule', 'rule', undefined]);
    const { pull } = explain('ann');
    assert.ok(pull?.by === 'rule');
    assert.deepEqual([pull.rule.line, pull.index], [7, 0]);
  });

  it('is told of a robot, a certificate and a client without an account', (t) => {
    const { told, robots } = setUp(t, { anonymous: ['pull'], rules: [rule('cn=node-*', 'delete')] });
    robots.create({ name: 'ci', match: ['ex.test/**'], may: ['push'], expires: undefined });
    assert.deepEqual(told('ci'), ['robot', 'anonymous', 'grant', undefined]);
    assert.deepEqual(told('cn=node-7'), ['certificate', 'anonymous', undefined, 'rule']);
    assert.deepEqual(told('anonymous'), ['anonymous', 'anonymous', undefined, undefined]);
  });

  it('is told of a subject and of a group where there is an OpenID issuer', (t) => {
    const { told } = setUp(t, { oidc: [oidc], rules: [rule('group:platform', 'push')] });
    assert.deepEqual(told('job'), ['oidc', undefined, undefined, undefined]);
    assert.deepEqual(told('group:platform'), ['oidc', undefined, 'rule', undefined]);
  });

  it('cannot be told of a name that nothing knows, nor of a token that has expired', (t) => {
    const { explain, robots } = setUp(t);
    robots.create({ name: 'old', match: ['**'], may: ['pull'], expires: 1 });
    for (const name of ['zoe', 'group:platform', 'old', 'Ann', ''])
      assert.throws(() => explain(name), {
        code: 'USAGE',
        message: /no account, token or certificate has this name; certificates are cn=NAME/,
      });
  });

  it('cannot be told where there are no accounts: the message names the file that was read', (t) => {
    const { explain } = setUp(t, { htpasswd: undefined });
    const message = (read: string) =>
      new RegExp(`no accounts are configured \\(${read}\\), and .*data has no tokens`);
    assert.throws(() => explain('ann'), { message: message('no entrepot\\.toml was read') });
    assert.throws(() => explain('ann', 'e.toml'), { message: message('the .* that was read is e\\.toml') });
  });

  it('is not told by files that cannot be read', (t) => {
    const { explain, robots, robotFile } = setUp(t);
    robots.create({ name: 'ci', match: ['**'], may: ['pull'], expires: undefined });
    writeFileSync(robotFile, '{');
    assert.throws(() => explain('ci'), { code: 'DATA_UNUSABLE' });
    const missing = setUp(t, { htpasswd: '/nowhere/htpasswd' });
    assert.throws(() => missing.explain('ann'), { code: 'CONFIG_INVALID' });
  });
});
