import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { runEntrepot } from '../../../support/processes.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const sound = '[[registry]]\nlocation = "docker.io"\n';

function place(t: TestContext, files: Record<string, string>): string {
  const folder = tempFolder(t);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return folder;
}

/** In `cwd`, so that its entrepot.toml is found. */
async function check(cwd: string, ...args: string[]) {
  return await runEntrepot(['check', '--registries', join(cwd, 'registries.conf'), ...args], { cwd });
}

test('a configuration without fault exits with 0 and tells the files that were read', async (t) => {
  const folder = place(t, { 'registries.conf': sound, 'entrepot.toml': 'data = "d"\n' });
  const files = [join(folder, 'registries.conf'), join(folder, 'entrepot.toml')];
  const asJson = await check(folder, '--json');
  assert.equal(asJson.code, 0);
  const { settings, registries, ...found } = JSON.parse(asJson.stdout);
  assert.deepEqual(found, {
    ...{ files, warnings: [], errors: [], syncs: [], events: { in: [], out: [] } },
    ...{ gates: [], fips: false },
  });
  assert.ok(settings.length > 30);
  assert.deepEqual(registries, {
    builtInList: false,
    unlisted: 'refuse',
    entries: [
      { prefix: 'docker.io', location: 'docker.io', blocked: false, mirrors: [], file: files[0], line: 2 },
    ],
    push: [],
  });
  const { code, stdout, stderr } = await check(folder);
  assert.deepEqual([code, stderr], [0, '']);
  assert.ok(
    stdout.startsWith(
      `read ${files[0]}\nread ${files[1]}\nFIPS: not in force\n\nregistries: those of ${files[0]}\n`,
    ),
    stdout,
  );
  assert.match(stdout, /\n\n0 errors, 0 warnings\n$/);
});

test('warnings alone exit with 0, each with its file and line', async (t) => {
  const folder = place(t, { 'registries.conf': `${sound}mirorr = 1\n` });
  const file = join(folder, 'registries.conf');
  const { code, stdout } = await check(folder, '--json');
  const { warnings, errors } = JSON.parse(stdout);
  assert.deepEqual([code, errors, warnings.length], [0, [], 1]);
  assert.deepEqual([warnings[0].file, warnings[0].line], [file, 3]);
  assert.match(warnings[0].message, /mirorr/);
  const inWords = await check(folder);
  assert.equal(inWords.code, 0);
  assert.match(inWords.stdout, /\n\S+registries\.conf:3: warning: .*\n0 errors, 1 warning\n$/);
});

test('a [[sync]] whose source begins with a name for clients is told the registry', async (t) => {
  const toml =
    '[routing]\nnames = { "hub" = "reg.corp:5443" }\ndefault_registry = "quay.io"\n[[sync]]\nname = "a"\nsource = "hub/b"\n';
  const folder = place(t, {
    'registries.conf': '[[registry]]\nlocation = "quay.io"\n',
    'entrepot.toml': toml,
  });
  const { stdout } = await check(folder);
  assert.match(
    stdout,
    /\[\[sync\]\] "a" is of docker\.io, .*; write the registry reg\.corp:5443, not its name of/,
  );
});

test('a [[sync]] is shown with the next time of its cron expression, in UTC', async (t) => {
  const block = (name: string, line: string) =>
    `[[sync]]\nname = "${name}"\nsource = "docker.io/b"\n${line}\n`;
  const toml =
    block('zoned', 'cron = "30 5 1 1 *"\ntimezone = "Asia/Kolkata"') +
    block('often', 'every = "90m"') +
    block('asked', '');
  const folder = place(t, { 'registries.conf': sound, 'entrepot.toml': toml });
  const { stdout } = await check(folder);
  assert.match(stdout, /^sync +source +runs$/m);
  assert.match(stdout, /^zoned .* 30 5 1 1 \* Asia\/Kolkata, next \d{4}-01-01 00:00Z$/m);
  assert.match(stdout, /^often .* every 90m$/m);
  assert.match(stdout, /^asked .* by command or event$/m);
  const { syncs } = JSON.parse((await check(folder, '--json')).stdout);
  assert.match(syncs[0].next, /^\d{4}-01-01T00:00:00\.000Z$/);
  assert.equal(syncs[1].next, null);
});

test('errors exit with 2, those of all files at once, and the warnings with them', async (t) => {
  const folder = place(t, {
    'registries.conf': `${sound}mirorr = 1\n[[registry]]\nblocked = true\n`,
    'entrepot.toml': 'lissten = 1\n[cache]\nmax_size = "lots"\n',
  });
  const { code, stdout } = await check(folder, '--json');
  assert.equal(code, 2);
  const { warnings, errors } = JSON.parse(stdout);
  const shape = errors.map((error: Record<string, unknown>) => [error.code, error.file, error.line]);
  assert.deepEqual(shape, [
    ['CONFIG_INVALID', join(folder, 'registries.conf'), 4],
    ['CONFIG_INVALID', join(folder, 'entrepot.toml'), 1],
    ['CONFIG_INVALID', join(folder, 'entrepot.toml'), 3],
  ]);
  assert.deepEqual(Object.keys(errors[0]), ['code', 'message', 'file', 'line']);
  assert.equal(warnings[0].line, 3);
  const inWords = await check(folder);
  assert.equal(inWords.code, 2);
  assert.ok(inWords.stdout.includes(`${join(folder, 'entrepot.toml')}:1: error: unknown key "lissten"`));
  const end = inWords.stdout.split('\n').slice(-6);
  assert.match(
    end.join('\n'),
    /^.*: warning: .*(?:\n.*: error: .*){3}\n3 errors, 1 warning\n$/,
    'a terminal shows the end',
  );
});

test('an error without a file has null in its place', async (t) => {
  const folder = place(t, { 'registries.conf': sound });
  const { code, stdout } = await check(folder, '--json', '--log-level', 'loud');
  assert.equal(code, 2);
  const [error] = JSON.parse(stdout).errors;
  assert.deepEqual([error.code, error.file, error.line], ['USAGE', null, null]);
  const inWords = await check(folder, '--log-level', 'loud');
  assert.match(inWords.stdout, /^error: --log-level must be/m);
});

test('a file that is missing, a folder in its place and broken TOML are errors of that file', async (t) => {
  const folder = place(t, { 'registries.conf': '[[registry\n' });
  mkdirSync(join(folder, 'folder'));
  const wrong: [string, string, number | null][] = [
    ['registries.conf', 'CONFIG_INVALID', 1],
    ['absent.conf', 'CONFIG_UNREADABLE', null],
    ['folder', 'CONFIG_UNREADABLE', null],
  ];
  for (const [name, code, line] of wrong) {
    const file = join(folder, name);
    const result = await runEntrepot(['check', '--json', '--registries', file], { cwd: folder });
    assert.equal(result.code, 2);
    const [error] = JSON.parse(result.stdout).errors;
    assert.deepEqual([error.code, error.file, error.line], [code, file, line]);
  }
});

test('a flag wins over its variable, and a variable over the search', async (t) => {
  const folder = place(t, { 'registries.conf': sound, 'other.conf': sound, 'mine.toml': '' });
  const env = {
    ENTREPOT_REGISTRIES: join(folder, 'other.conf'),
    ENTREPOT_CONFIG: join(folder, 'mine.toml'),
  };
  const byVariable = await runEntrepot(['check', '--json'], { cwd: folder, env });
  assert.deepEqual(JSON.parse(byVariable.stdout).files, Object.values(env));
  const byFlag = await runEntrepot(['check', '--json', '--registries', 'registries.conf'], {
    cwd: folder,
    env,
  });
  assert.deepEqual(JSON.parse(byFlag.stdout).files, [join(folder, 'registries.conf'), env.ENTREPOT_CONFIG]);
});

test('an entrepot.toml that is no TOML gives its error, and no setting or default as if it were in force', async (t) => {
  const folder = place(t, {
    'registries.conf': sound,
    'entrepot.toml': 'listen = "127.0.0.1:7000"\ndata = d\n',
  });
  const { code, stdout } = await check(folder);
  assert.equal(code, 2);
  assert.match(stdout, /entrepot\.toml:2: error: /);
  assert.match(stdout, /^settings: none, because of the errors below$/m);
  assert.doesNotMatch(stdout, /default$|routing\.unlisted/m);
  const json = JSON.parse((await check(folder, '--json')).stdout);
  assert.deepEqual([json.settings, json.registries.unlisted, json.errors.length], [null, null, 1]);
});

test('the settings in force are told with where each comes from, as text and as JSON', async (t) => {
  const toml = '[cache]\nmax_size = "50MiB"\n\n[freshness]\ntag = "300s"\n';
  const folder = place(t, { 'registries.conf': sound, 'entrepot.toml': toml });
  const file = join(folder, 'entrepot.toml');
  const env = { ENTREPOT_CACHE_MAX_SIZE: '5MiB' };
  const args = ['check', '--registries', 'registries.conf', '--listen', '0.0.0.0:80', '--data', 'd'];
  const { code, stdout } = await runEntrepot([...args, '--json'], { cwd: folder, env });
  assert.equal(code, 0);
  const { settings, warnings } = JSON.parse(stdout);
  const found = (key: string) => settings.find((setting: { key: string }) => setting.key === key);
  assert.deepEqual(found('listen').from, { kind: 'flag', name: '--listen' });
  assert.deepEqual(found('data').value, join(folder, 'd'));
  assert.deepEqual(found('cache.max_size').from, { kind: 'variable', name: 'ENTREPOT_CACHE_MAX_SIZE' });
  assert.deepEqual(found('freshness.tag'), {
    key: 'freshness.tag',
    value: '300s',
    from: { kind: 'file', file, line: 5 },
  });
  assert.deepEqual(found('freshness.missing'), {
    key: 'freshness.missing',
    value: '10s',
    from: { kind: 'default' },
  });
  assert.deepEqual([warnings.length, warnings[0].line], [1, 2]);
  assert.match(
    warnings[0].message,
    /cache\.max_size has no effect here: the variable ENTREPOT_CACHE_MAX_SIZE/,
  );

  const inWords = (await runEntrepot(args, { cwd: folder, env })).stdout;
  assert.match(inWords, /^listen +"0\.0\.0\.0:80" +--listen$/m);
  assert.match(inWords, /^cache\.max_size +"5MiB" +the variable ENTREPOT_CACHE_MAX_SIZE$/m);
  assert.ok(inWords.includes(`"300s"`) && inWords.includes(`${file}:5\n`), inWords);
  assert.match(inWords, /^freshness\.missing +"10s" +default$/m);
  assert.match(inWords, /^tls\.certificate +- +default$/m);
});

test('the registries that are served are listed with what is asked, in order', async (t) => {
  const text = [
    '[[registry]]\nlocation = "docker.io"',
    '[[registry.mirror]]\nlocation = "m1.corp:5001/hub"\n[[registry.mirror]]\nlocation = "m2.corp"\npull-from-mirror = "tag-only"',
    '[[registry]]\nprefix = "*.bad.io"\nblocked = true',
    '[[registry]]\nprefix = "*.wild.io"',
  ];
  const folder = place(t, { 'registries.conf': `${text.join('\n')}\n`, 'entrepot.toml': '' });
  const file = join(folder, 'registries.conf');
  const { stdout } = await check(folder);
  const table = stdout.slice(stdout.indexOf('registries: '), stdout.indexOf('\nsetting '));
  assert.deepEqual(
    table.split('\n').map((line) => line.split(/ {2,}/)),
    [
      [`registries: those of ${file}`],
      ['registry', 'asked, in order', 'from'],
      ['*.bad.io', 'blocked', `${file}:8`],
      ['*.wild.io', '*.wild.io', `${file}:11`],
      ['docker.io', 'm1.corp:5001/hub, m2.corp (tag-only), docker.io', `${file}:2`],
      ['any other registry is refused (routing.unlisted = "refuse")'],
      [''],
    ],
  );
  const [blocked, wild, hub] = JSON.parse((await check(folder, '--json')).stdout).registries.entries;
  assert.deepEqual([blocked.blocked, wild.location], [true, null]);
  assert.deepEqual(hub.mirrors[1], { location: 'm2.corp', pullFromMirror: 'tag-only' });
});

test('the images that pushes are taken for are listed, and their registries are known', async (t) => {
  const toml =
    '[routing]\nhosts = { "img.corp" = "images.local", "x.corp" = "other.local" }\n' +
    '[[push]]\nmatch = "images.local/**"\nmode = "local"\n[[push]]\nmatch = "docker.io/team/**"\nmode = "overlay"\n';
  const folder = place(t, {
    'registries.conf': '[[registry]]\nlocation = "docker.io"\n',
    'entrepot.toml': toml,
  });
  const { stdout } = await check(folder);
  assert.match(
    stdout,
    /^pushes to +mode +asked\nimages\.local\/\*\* +local +no endpoint\ndocker\.io\/team\/\*\* +overlay +what was pushed, then the endpoints\n\nsetting /m,
  );
  assert.match(stdout, /warning: routing\.hosts "x\.corp" is other\.local, which no \[\[registry\]\] lists/);
  assert.doesNotMatch(stdout, /warning: routing\.hosts "img\.corp"/);
  const { push } = JSON.parse((await check(folder, '--json')).stdout).registries;
  assert.deepEqual(push[1], { match: 'docker.io/team/**', mode: 'overlay', delete: false, immutable: [] });
});

test('of thousands of registries the text shows some, and JSON all', async (t) => {
  const text = Array.from({ length: 2000 }, (_, at) => `[[registry]]\nlocation = "r${at}.corp"\n`).join('');
  const folder = place(t, { 'registries.conf': text });
  const { stdout } = await check(folder);
  assert.match(stdout, /\n\.\.\. and 1950 more: --json prints all\nany other registry/);
  assert.equal(JSON.parse((await check(folder, '--json')).stdout).registries.entries.length, 2000);
});

test('that the built-in list is in force is said, with the reason', async (t) => {
  const folder = place(t, { 'entrepot.toml': '[routing]\nunlisted = "direct"\n' });
  const env = { HOME: folder, XDG_CONFIG_HOME: folder };
  const { stdout } = await runEntrepot(['check'], { cwd: folder, env });
  assert.match(
    stdout,
    /^registries: the built-in list of public registries is in force, because no registr(?:ies\.conf was found|y is listed in .*)\n/m,
  );
  assert.match(stdout, /^docker\.io +docker\.io +built-in$/m);
  assert.match(stdout, /^any other registry is asked directly \(routing\.unlisted = "direct"\)$/m);
  const { registries } = JSON.parse((await runEntrepot(['check', '--json'], { cwd: folder, env })).stdout);
  assert.deepEqual([registries.builtInList, registries.entries.length], [true, 10]);
});

test('without a usable registries.conf no registry is listed', async (t) => {
  const folder = place(t, { 'registries.conf': '[[registry\n' });
  assert.match((await check(folder)).stdout, /\nregistries: none, because of the errors below\n/);
  assert.equal(JSON.parse((await check(folder, '--json')).stdout).registries, null);
});

test('the [[sync]] blocks are listed, and one of a registry that is not is warned about', async (t) => {
  const block = (name: string, source: string) => `[[sync]]\nname = "${name}"\nsource = "${source}"\n`;
  const toml = block('ubi', 'docker.io/team/{a,b}') + block('far', 'quay.io/team/*');
  const folder = place(t, { 'registries.conf': sound, 'entrepot.toml': toml });
  const { stdout } = await check(folder);
  assert.match(stdout, /^ubi +docker\.io\/team\/\{a,b\} +by command or event$/m);
  assert.match(stdout, /\[\[sync\]\] "far" is of quay\.io, which no \[\[registry\]\] lists/);
  assert.doesNotMatch(stdout, /"ubi" is of/);
  const { syncs } = JSON.parse((await check(folder, '--json')).stdout);
  assert.deepEqual(syncs[0], { name: 'ubi', source: 'docker.io/team/{a,b}', next: null });
});

test('the senders of events are listed, and what is wrong with one is said', async (t) => {
  const sender = (name: string, lines: string) =>
    `[[events.in]]\nname = "${name}"\nformat = "distribution"\n${lines}\n`;
  const folder = place(t, {
    'registries.conf': sound,
    secret: 'a secret\n',
    empty: '',
    'entrepot.toml':
      sender('hub', 'registry = "docker.io"\nsecret_file = "secret"') +
      sender('other', 'registry = "quay.io"\nsecret_file = "secret"') +
      sender('unfit', 'registry = "docker.io"\nsecret_file = "empty"\nmatch = "team/**"'),
  });
  const { code, stdout } = await check(folder, '--json');
  assert.equal(code, 2);
  const { events, warnings, errors, files } = JSON.parse(stdout);
  assert.deepEqual(events.in[0], { name: 'hub', format: 'distribution', registry: 'docker.io', match: '**' });
  assert.deepEqual(
    warnings.map(({ message }: { message: string }) => message),
    [
      '[[events.in]] "other" is of quay.io, which no [[registry]] lists: its events bring nothing here',
      '[[events.in]] "unfit" has match = "team/**", which fits no repository of docker.io: all its events are ignored',
    ],
  );
  const [error, ...others] = errors;
  assert.deepEqual(others, []);
  const empty = join(folder, 'empty');
  assert.equal(
    error.message,
    `events.in.secret_file names ${empty}: the file is empty: it must hold the secret`,
  );
  assert.equal(error.line, 15);
  assert.ok(files.includes(join(folder, 'secret')));
  const text = (await check(folder)).stdout;
  assert.match(
    text,
    /^events from +path +format +registry +match\nhub +\/events\/hub +distribution +docker\.io +\*\*$/m,
  );
  assert.doesNotMatch(text, /a secret/);
});

test('the objects of a cluster are listed with what became of them', async (t) => {
  const object = (kind: string, name: string, spec: object) => ({
    apiVersion: 'config.openshift.io/v1',
    kind,
    metadata: { name },
    spec,
  });
  const file = (value: object) => JSON.stringify(value);
  const never = { source: 'docker.io/x', mirrors: ['m.io'], mirrorSourcePolicy: 'NeverContactSource' };
  const folder = place(t, {
    'registries.conf': sound,
    'a.json': file(object('ImageTagMirrorSet', 'tags', { imageTagMirrors: [never, { source: 'quay.io' }] })),
    'b.json': file(
      object('Image', 'cluster', {
        registrySources: { blockedRegistries: ['a.io'], insecureRegistries: ['m.io'] },
      }),
    ),
    'c.json': file(object('ImageDigestMirrorSet', 'empty', {})),
  });
  const { code, stdout } = await check(folder, '--policies', folder, '--json');
  const { policies, files, errors } = JSON.parse(stdout);
  const at = (name: string) => join(folder, name);
  assert.deepEqual([code, errors, files], [0, [], ['registries.conf', 'a.json', 'b.json', 'c.json'].map(at)]);
  assert.deepEqual(policies, [
    {
      kind: 'ImageTagMirrorSet',
      name: 'tags',
      file: at('a.json'),
      line: 1,
      mirrored: ['docker.io/x'],
      blocked: ['docker.io/x'],
      insecure: [],
    },
    {
      kind: 'Image',
      name: 'cluster',
      file: at('b.json'),
      line: 1,
      mirrored: [],
      blocked: ['a.io'],
      insecure: ['m.io'],
    },
    {
      kind: 'ImageDigestMirrorSet',
      name: 'empty',
      file: at('c.json'),
      line: 1,
      mirrored: [],
      blocked: [],
      insecure: [],
    },
  ]);
  const inWords = await check(folder, '--policies', folder);
  assert.match(inWords.stdout, /\ndocker\.io\/x +m\.io \(tag-only\), blocked +\S+a\.json:1\n/);
  assert.match(
    inWords.stdout,
    /\nImageTagMirrorSet tags +mirrors of docker\.io\/x; blocked: docker\.io\/x +\S+a\.json:1\n/,
  );
  assert.match(inWords.stdout, /\nImage cluster +blocked: a\.io; insecure: m\.io +\S+b\.json:1\n/);
  assert.match(inWords.stdout, /\nImageDigestMirrorSet empty +none +\S+c\.json:1\n/);
});

test('a pattern that forgets library/ of Docker Hub is a warning', async (t) => {
  const folder = place(t, {
    'registries.conf': sound,
    'entrepot.toml': [
      '[[cache.pin]]\nmatch = "docker.io/alpine:3.20"',
      '[[cache.pin]]\nmatch = "docker.io/library/alpine"',
      '[[freshness.rule]]\nmatch = "docker.io/**"\ntag = "1h"',
    ].join('\n'),
  });
  const { warnings } = JSON.parse((await check(folder, '--json')).stdout);
  assert.deepEqual(
    warnings.map(({ message }: { message: string }) => message),
    [
      '[[cache.pin]] has match = "docker.io/alpine:3.20", which matches nothing: the image is docker.io/library/alpine:3.20',
    ],
  );
});

test('buckets are listed in their order, with what is removed there and what a push waits for', async (t) => {
  const folder = place(t, {
    'registries.conf': sound,
    'entrepot.toml': `store_preference = "us"
[[push]]
match = "docker.io/team/**"
mode = "local"
durable = 2
[[store]]
name = "eu"
kind = "s3"
bucket = "images-eu"
endpoint = "https://s3.corp"
match = ["docker.io/team/**"]
max_size = "1GiB"
[[store]]
name = "us"
kind = "azure"
account = "corp"
container = "images"
prefix = "entrepot"
sweep_after = "7d"
`,
  });
  const { stdout } = await check(folder);
  const lines = stdout.split('\n').map((line) => line.replaceAll(/ {2,}/g, ' | ').trimEnd());
  const at = lines.findIndex((line) => line.startsWith('bucket, nearest first'));
  assert.deepEqual(lines.slice(at, at + 6), [
    'bucket, nearest first | place | for | removed',
    'us | https://corp.blob.core.windows.net/images/entrepot/ | all images | unlinked for 7d, by gc',
    'eu | s3://images-eu/ at https://s3.corp | docker.io/team/** | above 1.0 GiB, every 1h',
    '',
    'pushes to | answered once in',
    'docker.io/team/** | 2 of 2 buckets',
  ]);
  const { stores } = JSON.parse((await check(folder, '--json')).stdout);
  assert.deepEqual(
    stores.map(({ name }: { name: string }) => name),
    ['us', 'eu'],
  );
});

test('the URL of the facts is read, and an error names the file and no password', async (t) => {
  const folder = place(t, {
    'registries.conf': sound,
    'entrepot.toml': '[facts]\nurl_file = "url"\n',
    url: 'postgresql://entrepot:hidden@db/entrepot?sslmod=require\n',
  });
  const wrong = await check(folder, '--json');
  assert.equal(wrong.code, 2);
  const [error] = JSON.parse(wrong.stdout).errors;
  assert.equal(error.file, join(folder, 'url'));
  assert.match(error.message, /"sslmod" is no parameter that is known here/);
  assert.doesNotMatch(wrong.stdout, /hidden/);
  const cas = join(folder, 'cas.pem');
  writeFileSync(
    join(folder, 'url'),
    `postgresql://entrepot:hidden@db/e?sslmode=verify-full&sslrootcert=${cas}\n`,
  );
  const absent = await check(folder);
  assert.equal(absent.code, 2);
  assert.match(absent.stdout, /cas\.pem/);
  writeFileSync(join(folder, 'url'), 'postgresql://entrepot:hidden@db/entrepot\n');
  assert.equal((await check(folder)).code, 0);
});
