/** `entrepot token`, `explain --as` and `check` of accounts, beside a running server and without one. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import {
  basic,
  bearer,
  passwordLine,
  passwords,
  publicImage,
  secretImage,
  startGuarded,
} from '../support/access.ts';
import { startApp } from '../support/app.ts';
import { runCommand } from '../support/commands.ts';
import { entry, startRegistry } from '../support/endpoints.ts';
import { get } from '../support/http-client.ts';
import { tempFolder } from '../support/temp-folder.ts';

const secret = '/v2/ex.test/team/secret/manifests/1';

async function startOpen(t: TestContext) {
  const registry = await startRegistry(t);
  registry.putImage('team/secret', '1', secretImage);
  registry.putImage('public/app', '1', publicImage);
  return startApp(t, {
    registries: entry('ex.test', { source: registry.host }),
    toml: '[access]\nanonymous = []\n',
  });
}

describe('entrepot token', () => {
  it('makes the first token of a running server, which asks for credentials from then on', async (t) => {
    const proxy = await startOpen(t);
    assert.equal((await get(`${proxy.url}/v2/`)).status, 200);
    const { code, json } = await runCommand(
      proxy,
      ...['token', 'create', 'ci', '--match', 'ex.test/team/**', '--match', 'images.local/**'],
      ...['--may', 'pull,push', '--expires', '90d', '--json'],
    );
    assert.equal(code, 0);
    assert.match(json.token, /^entrepot_/);
    assert.deepEqual([json.name, json.may, json.expired], ['ci', ['pull', 'push'], false]);
    assert.equal(Math.round((Date.parse(json.expires) - Date.parse(json.created)) / 86_400_000), 90);
    assert.equal((await get(`${proxy.url}/v2/`)).status, 401);
    for (const headers of [basic('ci', json.token), bearer(json.token)])
      assert.equal((await get(proxy.url + secret, { headers })).status, 200);
    const other = await get(`${proxy.url}/v2/ex.test/public/app/manifests/1`, {
      headers: bearer(json.token),
    });
    assert.equal(other.status, 404, 'it is for team/** alone');
    assert.equal((await get(proxy.url + secret, { headers: basic('ann', json.token) })).status, 401);

    const listed = await runCommand(proxy, 'token', 'list');
    assert.match(
      listed.stdout,
      /^NAME +MAY +IMAGES[\s\S]*\nci +pull,push +ex\.test\/team\/\*\* images\.local\/\*\* /,
    );
    assert.ok(!listed.stdout.includes(json.token.slice(10)));
    const revoked = await runCommand(proxy, 'token', 'revoke', 'ci');
    assert.deepEqual([revoked.code, revoked.stdout], [0, 'ci is revoked\n']);
    assert.equal((await get(proxy.url + secret, { headers: bearer(json.token) })).status, 401);
    const everything = JSON.stringify(proxy.log);
    assert.ok(!everything.includes(json.token) && everything.includes('"about":"ci"'));
  });

  it('works on the data folder without a server, and refuses what it cannot do', async (t) => {
    const { proxy } = await startGuarded(t);
    await proxy.stop();
    const token = (...args: string[]) => runCommand(proxy, 'token', ...args);
    const made = await token('create', 'ci', '--match', '**');
    assert.match(
      made.stdout,
      /^entrepot_\S{43}\nci may pull \*\*; it never expires\nThe token is not shown again\./,
    );
    for (const [args, message] of [
      [['create', 'ci', '--match', '**'], /there is a token "ci" already/],
      [['create', 'b'], /--match is missing/],
      [['revoke', 'b'], /there is no token "b": the tokens are ci/],
    ] as const) {
      const { code, stderr, stdout } = await token(...args);
      assert.deepEqual([code, stdout], [2, ''], args.join(' '));
      assert.match(stderr, message);
    }
    const { json } = await token('list', '--json');
    assert.deepEqual(
      json.map(({ name, expires }: Record<string, unknown>) => [name, expires]),
      [['ci', null]],
    );
  });
});

describe('a token that may push', () => {
  it('is named in the refusal of a push outside its images', async (t) => {
    const { proxy } = await startGuarded(t);
    const { json } = await runCommand(
      proxy,
      ...['token', 'create', 'ci', '--match', 'images.local/a/**', '--may', 'pull,push', '--json'],
    );
    assert.equal(json.warning, null);
    const push = (image: string, headers: Record<string, string>) =>
      get(`${proxy.url}/v2/${image}/blobs/uploads/`, { method: 'POST', headers });
    assert.equal((await push('images.local/a/x', basic('ci', json.token))).status, 202);
    const refused = await push('images.local/b', basic('ci', json.token));
    assert.equal(refused.status, 403);
    assert.match(
      refused.body.toString(),
      /ci may not push images\.local\/b: neither its token nor an \[\[access\.rule\]\] allows it/,
    );
    const account = await push('images.local/b', basic('bob', passwords.bob));
    assert.match(
      account.body.toString(),
      /bob may not push images\.local\/b: no \[\[access\.rule\]\] allows it/,
    );
  });

  it('and not pull is made with a warning', async (t) => {
    const { proxy } = await startGuarded(t);
    const { code, stdout } = await runCommand(
      proxy,
      ...['token', 'create', 'ci', '--match', 'images.local/**', '--may', 'push'],
    );
    assert.equal(code, 0);
    assert.match(
      stdout,
      /\nwarning: the token "ci" may push to images\.local\/\*\*, but nothing lets it pull/,
    );
  });
});

describe('entrepot explain --as', () => {
  it('says which rule lets a principal pass, and which [[push]] answers', async (t) => {
    const { proxy } = await startGuarded(t);
    await runCommand(proxy, 'token', 'create', 'ci', '--match', 'ex.test/team/*', '--may', 'push');
    const explain = (ref: string, ...args: string[]) => runCommand(proxy, 'explain', ref, ...args);
    const { json } = await explain('ex.test/team/secret:1', '--as', 'ann', '--json');
    assert.deepEqual([json.access.name, json.access.kind, json.push.mode], ['ann', 'account', 'overlay']);
    assert.deepEqual(json.access.pull, {
      allowed: true,
      by: 'rule',
      rule: { who: ['ann'], match: 'ex.test/team/**', may: ['pull', 'push', 'delete'], line: 5 },
    });
    assert.deepEqual([json.access.push.admitted, json.access.delete.admitted], [true, true]);
    assert.equal(json.access.delete.allowed, true);
    const denied = (await explain('ex.test/team/secret:1', '--as', 'bob', '--json')).json.access;
    assert.deepEqual(denied.push, { allowed: false, by: null, rule: null, admitted: true });
    assert.equal(
      (await explain('ex.test/team/secret:1', '--as', 'ci', '--json')).json.access.push.by,
      'grant',
    );

    const words = (await explain('ex.test/team/secret:1', '--as', 'ann')).stdout;
    assert.match(
      words,
      /pushes +mode = "overlay" of \[\[push\]\] match = "ex\.test\/team\/\*\*": what was pushed here comes first/,
    );
    assert.match(words, /may push +yes, by the \[\[access\.rule\]\] of line 5: who = \["ann"\]/);
    const local = (await explain('images.local/a:1')).stdout;
    assert.match(local, /mode = "local".*no endpoint is ever asked/);
    assert.match(local, /A client gets what was pushed here, else 404\./);
    assert.match(
      (await explain('ex.test/public/app', '--as', 'bob')).stdout,
      /may push +no; no \[\[push\]\] matches, so it is refused \(405\)/,
    );
    const unknown = await explain('ex.test/public/app', '--as', 'zoe');
    assert.equal(unknown.code, 2);
    assert.match(unknown.stderr, /--as zoe: no account, token or certificate has this name/);
    assert.ok(![words, local].some((text) => text.includes('$2')), 'no hash is shown');
  });

  it('says no where [[push]] refuses what the rights allow, and 404 to a principal that may not pull', async (t) => {
    const { proxy } = await startGuarded(t);
    await runCommand(proxy, ...['token', 'create', 'all', '--match', '**', '--may', 'pull,push,delete']);
    await runCommand(proxy, ...['token', 'create', 'blind', '--match', '**', '--may', 'push']);
    const words = async (ref: string, as: string) =>
      (await runCommand(proxy, 'explain', ref, '--as', as)).stdout;
    const local = await words('images.local/a:1', 'all');
    assert.match(local, /may push +yes, by the token itself\n/);
    assert.match(
      local,
      /may delete +no; its \[\[push\]\] has delete = false \(its rights: yes, by the token itself\)\n/,
    );
    assert.match(local, /A client gets what was pushed here/);
    const mirrored = await words('ex.test/public/app:1', 'all');
    for (const right of ['push', 'delete'])
      assert.match(
        mirrored,
        new RegExp(`may ${right} +no; no \\[\\[push\\]\\] matches, so it is refused \\(405\\)`),
      );
    assert.match(
      await words('images.local/a:1', 'blind'),
      /A client gets 404: blind may not pull this image\.\n/,
    );
    assert.match(
      await words('ex.test/team/secret:1', 'bob'),
      /may delete +no\n[\s\S]*A client gets 404: bob may not pull this image\.\n/,
    );
    assert.match(
      await words('ex.test/team/secret:1', 'anonymous'),
      /A client gets 404, or 401 where accounts exist: anonymous may not pull this image\.\n/,
    );
  });

  it('says that no accounts are configured, and which entrepot.toml was read', async (t) => {
    const proxy = await startOpen(t);
    const { code, stderr } = await runCommand(proxy, 'explain', 'ex.test/public/app', '--as', 'ci');
    assert.equal(code, 2);
    const file = join(proxy.folder, 'entrepot.toml');
    assert.ok(
      stderr.includes(`--as ci: no accounts are configured (the entrepot.toml that was read is ${file})`),
      stderr,
    );
  });
});

describe('entrepot check', () => {
  const check = async (t: TestContext, toml: string, folder = tempFolder(t)) => {
    for (const [name, text] of Object.entries({
      'registries.conf': '[[registry]]\nlocation = "ex.test"\n',
      'entrepot.toml': toml,
    }))
      writeFileSync(join(folder, name), text);
    const { code, json } = await runCommand({ folder, data: join(folder, 'data') }, 'check', '--json');
    const said = (all: { line: number | null; message: string }[]) =>
      all.map(({ line, message }) => `${line}: ${message}`);
    return { code, warnings: said(json.warnings), errors: said(json.errors), files: json.files as string[] };
  };

  it('finds rules that can never match, and accounts that no rule names', async (t) => {
    const toml = `[access]
htpasswd = "${join(tempFolder(t), 'none')}"
`.replace(/htpasswd.*\n/, 'anonymous = []\n');
    const { warnings, errors } = await check(
      t,
      `${toml}[[access.rule]]
who = ["ci", "group:x", "cn=node-*", "anonymous", "a*"]
match = "ex.test/**"
may = ["pull", "push"]
[[access.rule]]
who = ["anonymous"]
match = "other.test/**"
may = ["pull"]
[[access.rule]]
who = ["anonymous"]
match = "images.local/team/*"
may = ["push"]
[[push]]
match = "images.local/**"
mode = "local"
`,
    );
    assert.deepEqual(errors, []);
    const found = warnings.filter((one) => one.includes('access.rule'));
    assert.deepEqual(found, [
      '3: [[access.rule]] who = "ci" stands for no client: no account of access.htpasswd and no token has such a name',
      '3: [[access.rule]] who = "group:x" stands for no client: groups come from an [[access.oidc]], and there is none',
      '3: [[access.rule]] who = "cn=node-*" stands for no client: without tls.client_ca no client shows a certificate',
      '3: [[access.rule]] who = "a*" stands for no client: no account of access.htpasswd and no token has such a name',
      '3: [[access.rule]] allows push of ex.test/**, but no [[push]] takes anything there',
      '7: [[access.rule]] match = "other.test/**" is of no registry that is listed, and of no [[push]]: it never applies',
      '11: [[access.rule]] lets anonymous push to images.local/team/*, but nothing lets the same client pull there: a pull gets 404, and most clients ask first what is there. Add "pull"',
    ]);
  });

  it('warns of rules and tokens that may push where nothing lets them pull', async (t) => {
    const folder = tempFolder(t);
    writeFileSync(join(folder, 'accounts'), passwordLine('ann', 'x') + passwordLine('bob', 'y'));
    await check(t, '', folder);
    const made = (name: string, may: string) =>
      runCommand(
        { folder, data: join(folder, 'data') },
        ...['token', 'create', name, '--match', 'images.local/**', '--may', may],
      );
    await made('pushes', 'push');
    await made('both', 'push,pull');
    const rule = (who: string, match: string, may: string) =>
      `[[access.rule]]\nwho = [${who}]\nmatch = "${match}"\nmay = [${may}]\n`;
    const warned = async (anonymous: string, ...rules: string[]) => {
      const access = `[access]\nanonymous = [${anonymous}]\nhtpasswd = "${folder}/accounts"\n`;
      const push = '[[push]]\nmatch = "images.local/**"\nmode = "local"\n';
      const { warnings } = await check(t, access + rules.join('') + push, folder);
      return warnings
        .filter((one) => one.includes('pull there'))
        .map((one) => one.split(':')[1]?.slice(1, 60));
    };
    const pushes = rule('"ann"', 'images.local/team/**', '"push", "delete"');
    const token = 'the token "pushes" may push to images.local/**, but nothin';
    assert.deepEqual(
      (await warned('', pushes, rule('"bob"', 'images.local/**', '"pull"'))).map((one) => one?.slice(0, 58)),
      ['[[access.rule]] lets ann push to images.local/team/**, but', token],
    );
    assert.deepEqual(await warned('"pull"', pushes), [], 'every client may pull');
    assert.deepEqual(await warned('', pushes, rule('"*"', '**', '"pull"')), [], 'another rule lets it pull');
    const elsewhere = rule('"ann"', 'ex.test/**', '"pull"');
    assert.equal((await warned('', pushes, elsewhere)).length, 2, 'the other rule is for other images');
  });

  it('reads the files of [access], and says of each what is wrong', async (t) => {
    const folder = tempFolder(t);
    writeFileSync(join(folder, 'good'), passwordLine('ann', 'x') + passwordLine('bob', 'y'));
    writeFileSync(join(folder, 'bad'), 'ann:$apr1$x$y\nbob:{SHA}x\n');
    const rule = '[[access.rule]]\nwho = ["ann"]\nmatch = "ex.test/**"\nmay = ["pull"]\n';
    const good = await check(t, `[access]\nhtpasswd = "${folder}/good"\n${rule}`);
    assert.deepEqual(good.errors, []);
    assert.deepEqual(good.warnings.slice(1), [
      'null: no [[access.rule]] names the account "bob": it may do no more than a client without an account',
    ]);
    assert.ok(good.files.includes(`${folder}/good`));
    const bad = await check(
      t,
      `[access]\nhtpasswd = "${folder}/bad"\ntoken_key = "${folder}/bad"\n${rule}[[access.issuer]]\nissuer = "x"\naudience = "y"\nkeys = "${folder}/none"\n`,
    );
    assert.equal(bad.code, 2);
    assert.deepEqual(
      bad.errors.map((one) => one.slice(0, 52)),
      [
        '1: the account "ann" has an MD5 hash; only bcrypt is',
        '2: the account "bob" has a SHA-1 hash; only bcrypt i',
        'null: it holds no private key: access.token_key name',
        'null: there is no such file: access.issuer keys name',
      ].map((one) => one.slice(0, 52)),
    );
    const unknown = await check(t, '[access]\nanonymous = ["fly"]\n');
    assert.match(
      unknown.errors.join(),
      /2: each item of access\.anonymous must be .*"pull", "push", "delete" or "administer"/,
    );
  });

  it('warns in one line where clients without an account may change something from other machines', async (t) => {
    const toml = (listen: string) => `listen = "${listen}"\n[access]\nanonymous = ["pull", "push"]\n`;
    const { warnings } = await check(t, toml('0.0.0.0:5000'));
    assert.match(warnings.join('\n'), /every machine that reaches 0\.0\.0\.0 may push without an account/);
    assert.ok(!(await check(t, toml('127.0.0.1:5000'))).warnings.join().includes('every machine'));
    const closed = await check(t, '[access]\nanonymous = []\n');
    assert.match(closed.warnings.join(), /every request is refused/);
  });
});

describe('a file of tokens that is damaged', () => {
  it('keeps a server from starting, with its name', async (t) => {
    const { proxy, folder } = await startGuarded(t);
    await runCommand(proxy, 'token', 'create', 'ci', '--match', '**');
    await proxy.stop();
    const file = join(folder, 'data/access/robots.json');
    writeFileSync(file, readFileSync(file, 'utf8').slice(0, 40));
    const { code, stderr } = await runCommand(proxy, 'token', 'list');
    assert.equal(code, 1);
    assert.match(stderr, /robots\.json: is no file of robot tokens: restore it from a backup/);
  });
});
