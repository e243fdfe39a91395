import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { accessFiles } from '../../../src/access/access-files.ts';
import { createRobots } from '../../../src/access/accounts/robots.ts';
import { checkAccess } from '../../../src/access/check-access.ts';
import { readServerToml } from '../../../src/config/server-toml.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { passwordLine } from '../../support/access.ts';
import { tempFolder } from '../../support/temp-folder.ts';
import { listing } from '../routing/configuration.ts';

interface Robot {
  readonly name: string;
  readonly may: readonly ('pull' | 'push')[];
  readonly expires?: number;
}

/** What is said of `toml`, in which `HTPASSWD` is a file with the account `ann`. Registries that are listed: ex.test. */
async function check(
  t: TestContext,
  toml: string,
  { accounts = passwordLine('ann', 'x'), robots = [] as readonly Robot[], isRead = true } = {},
) {
  const folder = tempFolder(t);
  const htpasswd = join(folder, 'accounts');
  writeFileSync(htpasswd, accounts);
  const text = toml.replaceAll('HTPASSWD', htpasswd);
  const { server, problems } = readServerToml({ file: 'e.toml', text }, folder);
  assert.deepEqual(problems, []);
  const store = createRobots(
    { clock: systemClock, onProblem: assert.ifError },
    join(server.data, accessFiles.robots),
  );
  for (const { expires, ...robot } of robots) store.create({ ...robot, match: ['images.local/**'], expires });
  const serverFile = isRead ? 'e.toml' : undefined;
  const found = await checkAccess({ server, registries: listing('ex.test'), serverFile });
  return {
    errors: found.errors.map(({ message }) => message),
    warnings: found.warnings.map(
      ({ file, line, message }) => `${file.replace(folder, '')}:${line}: ${message}`,
    ),
    files: found.files.map((file) => file.replace(folder, '')),
  };
}

const accounts = '[access]\nanonymous = []\nhtpasswd = "HTPASSWD"\n';
const rule = (who: string, match: string, may: string) =>
  `[[access.rule]]\nwho = ["${who}"]\nmatch = "${match}"\nmay = [${may}]\n`;
const push = '[[push]]\nmatch = "images.local/**"\nmode = "local"\n';

describe('a check of [access]', () => {
  it('has nothing to say of rules that can match', async (t) => {
    const toml = `${accounts}${rule('a*', 'ex.test/**', '"pull"')}${rule('ann', 'images.local/**', '"pull", "push"')}${push}`;
    assert.deepEqual(await check(t, toml), { errors: [], warnings: [], files: ['/accounts'] });
  });

  it('reads the files of accounts, keys, issuers and tokens', async (t) => {
    const toml = `[access]\nhtpasswd = "HTPASSWD"\ntoken_key = "HTPASSWD"\n[[access.issuer]]\nissuer = "i"\naudience = "a"\nkeys = "/nowhere"\n`;
    const { errors, files } = await check(t, toml, { robots: [{ name: 'ci', may: ['pull'] }] });
    assert.deepEqual(files, ['/accounts', '/data/access/robots.json']);
    assert.match(errors[0] ?? '', /^it holds no private key: access\.token_key/);
    assert.match(errors[1] ?? '', /^there is no such file: access\.issuer keys/);
    const lines = await check(t, accounts, { accounts: 'ann:{SHA}x\n' });
    assert.match(lines.errors.join(), /the account "ann" has a SHA-1 hash/);
  });

  it('warns of names that stand for no client, unless a file that may hold them cannot be read', async (t) => {
    const toml = `${accounts}${rule('zoe', 'ex.test/**', '"pull"')}${rule('ann', 'ex.test/**', '"pull"')}`;
    assert.match(
      (await check(t, toml)).warnings.join('\n'),
      /^e\.toml:4: \[\[access\.rule\]\] who = "zoe" stands for no client: no account of access\.htpasswd and no token/,
    );
    const named = await check(t, toml, { robots: [{ name: 'zoe', may: ['pull'] }] });
    assert.deepEqual(named.warnings, [], 'a token has the name');
    assert.deepEqual((await check(t, toml, { accounts: 'zoe:{SHA}x\n' })).warnings, []);
    const oidc = '[[access.oidc]]\nissuer = "https://login.test"\naudience = "a"\n';
    assert.deepEqual((await check(t, toml + oidc)).warnings, [], 'any name may be a subject');
  });

  it('warns of certificates and groups that no client can show', async (t) => {
    const toml = `${accounts}${rule('cn=node', 'ex.test/**', '"pull"')}${rule('group:x', 'ex.test/**', '"pull"')}${rule('ann', 'ex.test/**', '"pull"')}`;
    const { warnings } = await check(t, toml);
    assert.match(warnings[0] ?? '', /"cn=node" stands for no client: without tls\.client_ca/);
    assert.match(
      warnings[1] ?? '',
      /"group:x" stands for no client: groups come from an \[\[access\.oidc\]\]/,
    );
    const tls = '[tls]\nclient_ca = "ca.crt"\n';
    assert.equal((await check(t, toml + tls)).warnings.length, 1);
  });

  it('warns of a right that nothing takes, and of one in a registry that is not served', async (t) => {
    for (const [match, may, words] of [
      [
        'ex.test/**',
        '"pull", "push", "delete"',
        'allows push and delete of ex.test/**, but no [[push]] takes',
      ],
      ['other.test/**', '"pull"', 'match = "other.test/**" is of no registry that is listed'],
      ['images.local/a', '"push"', 'lets ann push to images.local/a, but nothing lets the same client pull'],
    ] as const) {
      const { warnings } = await check(t, accounts + rule('ann', match, may) + push);
      assert.equal(warnings.length, 1, words);
      assert.ok(warnings[0]?.includes(words), warnings[0]);
    }
    const administers = accounts + rule('ann', 'other.test/**', '"administer"') + push;
    assert.deepEqual((await check(t, administers)).warnings, []);
    const direct = '[routing]\nunlisted = "direct"\n';
    assert.deepEqual(
      (await check(t, accounts + rule('ann', 'other.test/**', '"pull"') + direct)).warnings,
      [],
    );
  });

  it('warns of a pattern that forgets library/ of Docker Hub', async (t) => {
    const rules = ['alpine', '*', 'library/alpine', '**', '**alpine', '{library/a,b}'].map((path) =>
      rule('ann', `docker.io/${path}`, '"pull"'),
    );
    const { warnings } = await check(t, `${accounts}${rules.join('')}`);
    const told = warnings.flatMap((one) => /match = .* never applies: .*/.exec(one)?.[0] ?? []);
    assert.deepEqual(told, [
      'match = "docker.io/alpine" never applies: the image is docker.io/library/alpine',
      'match = "docker.io/*" never applies: the image is docker.io/library/*',
    ]);
  });

  it('warns of accounts that no rule names, if there are rules', async (t) => {
    assert.deepEqual((await check(t, accounts)).warnings, [], 'without rules they may pull all');
    const { warnings } = await check(t, accounts + rule('anonymous', 'ex.test/public/*', '"pull"'));
    assert.deepEqual(warnings, [], 'a rule for anonymous is one for all');
    const two = { accounts: passwordLine('ann', 'x') + passwordLine('bob', 'x') };
    assert.deepEqual((await check(t, accounts + rule('ann', 'ex.test/**', '"pull"'), two)).warnings, [
      '/accounts:undefined: no [[access.rule]] names the account "bob": it may do no more than a client without an account',
    ]);
  });

  it('warns of a token that pushes and cannot pull, while it lasts', async (t) => {
    const robots = [
      { name: 'blind', may: ['push'] },
      { name: 'old', may: ['push'], expires: 1 },
      { name: 'both', may: ['pull', 'push'] },
    ] as const;
    const { warnings } = await check(t, `${accounts}${push}`, { robots });
    assert.equal(warnings.length, 1);
    assert.match(warnings[0] ?? '', /^\/data\/access\/robots\.json:undefined: the token "blind" may push/);
  });

  it('warns where every request is refused', async (t) => {
    const closed = '[access]\nanonymous = []\n';
    assert.match((await check(t, closed)).warnings.join(), /every request is refused$/);
    for (const toml of [
      accounts,
      `${closed}[tls]\nclient_ca = "ca.crt"\n`,
      `${closed}${rule('anonymous', 'ex.test/**', '"pull"')}`,
    ])
      assert.deepEqual((await check(t, toml)).warnings, [], toml);
  });

  it('says nothing of rules where no entrepot.toml was read', async (t) => {
    assert.deepEqual((await check(t, '[access]\nanonymous = []\n', { isRead: false })).warnings, []);
  });
});
