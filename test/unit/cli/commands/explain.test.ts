import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type Explanation, explanationAsJson } from '../../../../src/admin/explanation.ts';
import { explain } from '../../../../src/cli/commands/explain.ts';
import { explanationAsText } from '../../../../src/cli/output/explanation-text.ts';
import { runEntrepot } from '../../../support/processes.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const digest = `sha256:${'a'.repeat(64)}`;

const mirrored = `[[registry]]
prefix = "ex.io/app"
location = "hub.corp/apps"

[[registry.mirror]]
location = "m1.corp:5000/c"
pull-from-mirror = "digest-only"

[[registry.mirror]]
location = "m2.corp"
insecure = true
`;

interface Files {
  readonly registries: string;
  readonly toml?: string;
  readonly others?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
}

interface Site {
  readonly folder: string;
  /** `registries.conf:LINE`, as messages have it. */
  line(number: number): string;
  explain(reference: string): Explanation;
  json(reference: string): Record<string, unknown>;
  text(reference: string): Promise<string>;
}

function place(t: TestContext, files: Files): Site {
  const folder = tempFolder(t);
  const written = {
    'registries.conf': files.registries,
    'entrepot.toml': files.toml ?? '',
    ...files.others,
  };
  for (const [name, content] of Object.entries(written)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
  const registries = join(folder, 'registries.conf');
  const options = { cwd: folder, home: folder, uid: 1000, root: folder, env: files.env ?? {} };
  const explained = (reference: string) => {
    const result = explain(reference, { ...options, flags: { registries } });
    if (!result.ok) throw result.error;
    return result.explanation;
  };
  return {
    folder,
    line: (number) => `${registries}:${number}`,
    explain: explained,
    json: (reference) => explanationAsJson(explained(reference)) as Record<string, unknown>,
    text: (reference) => explanationAsText(explained(reference)),
  };
}

test('the endpoints of a tag pull are those of registries.conf, in its order, as one JSON value', async (t) => {
  const { folder } = place(t, { registries: mirrored });
  const args = ['explain', 'ex.io/app/web:1', '--json', '--registries', 'registries.conf'];
  const { code, stdout, stderr } = await runEntrepot(args, { cwd: folder });
  assert.deepEqual([code, stderr], [0, '']);
  assert.deepEqual(JSON.parse(stdout), {
    reference: 'ex.io/app/web:1',
    prefix: 'ex.io/app',
    blocked: false,
    refused: null,
    endpoints: [
      {
        reference: 'm2.corp/web:1',
        host: 'm2.corp',
        location: 'm2.corp',
        role: 'mirror',
        insecure: true,
        blocked: false,
      },
      {
        reference: 'hub.corp/apps/web:1',
        host: 'hub.corp',
        location: 'hub.corp/apps',
        role: 'source',
        insecure: false,
        blocked: false,
      },
    ],
  });
});

test('a digest pull has mirrors that a tag pull has not', (t) => {
  const { endpoints } = place(t, { registries: mirrored }).json(`ex.io/app/web@${digest}`);
  const references = (endpoints as { reference: string }[]).map(({ reference }) => reference);
  assert.deepEqual(references, [
    `m1.corp:5000/c/web@${digest}`,
    `m2.corp/web@${digest}`,
    `hub.corp/apps/web@${digest}`,
  ]);
});

test('a reference is normalised, and nothing is added to it', (t) => {
  const { json } = place(t, { registries: '[[registry]]\nlocation = "docker.io"\n' });
  const expected = {
    alpine: 'docker.io/library/alpine',
    'alpine:3': 'docker.io/library/alpine:3',
    'index.docker.io/team/app': 'docker.io/team/app',
    [`docker.io/team/app:1@${digest}`]: `docker.io/team/app:1@${digest}`,
  };
  for (const [given, reference] of Object.entries(expected)) {
    const said = json(given);
    assert.equal(said.reference, reference);
    assert.equal((said.endpoints as { reference: string }[])[0]?.reference, reference);
  }
});

test('a blocked entry says so, and only its source is blocked', (t) => {
  const registries = `[[registry]]
location = "ex.io"
blocked = true
[[registry.mirror]]
location = "m.corp"
`;
  const { blocked, refused, endpoints } = place(t, { registries }).json('ex.io/a:1');
  const flags = (endpoints as { role: string; blocked: boolean }[]).map((one) => [one.role, one.blocked]);
  assert.deepEqual([blocked, refused], [true, null]);
  assert.deepEqual(flags, [
    ['mirror', false],
    ['source', true],
  ]);
});

test('a mirror with a blocked name of its own is flagged, while the entry is not', (t) => {
  const registries = `${mirrored}
[[registry]]
location = "m2.corp"
blocked = true
`;
  const { blocked, endpoints } = place(t, { registries }).json('ex.io/app/web:1');
  const flags = (endpoints as { host: string; blocked: boolean }[]).map((one) => [one.host, one.blocked]);
  assert.equal(blocked, false);
  assert.deepEqual(flags, [
    ['m2.corp', true],
    ['hub.corp', false],
  ]);
});

test('an unlisted registry is refused, and the endpoint that it would have is shown', (t) => {
  const { json } = place(t, { registries: mirrored });
  const endpoint = {
    host: 'other.io',
    location: 'other.io/a',
    role: 'source',
    insecure: false,
    blocked: false,
  };
  assert.deepEqual(json('other.io/a:1'), {
    reference: 'other.io/a:1',
    prefix: null,
    blocked: false,
    refused: 'unlisted',
    endpoints: [{ reference: 'other.io/a:1', ...endpoint }],
  });
});

test('with unlisted = "direct" it is not refused', (t) => {
  const { json } = place(t, { registries: mirrored, toml: '[routing]\nunlisted = "direct"\n' });
  assert.equal(json('other.io/a:1').refused, null);
  assert.equal(json('169.254.169.254/a:1').refused, 'unlisted');
});

test('a registry that is listed by a longer prefix is not refused', (t) => {
  const { prefix, refused } = place(t, { registries: mirrored }).json('ex.io/other:1');
  assert.deepEqual([prefix, refused], [null, null]);
});

test('a port that no entry has is refused, although the prefix matches', (t) => {
  const said = place(t, { registries: '[[registry]]\nlocation = "ex.io"\n' }).json('ex.io:5000/a:1');
  assert.deepEqual([said.prefix, said.refused], ['ex.io', 'unlisted']);
});

test('upstream.insecure counts where the table does not say', (t) => {
  const registries = '[[registry]]\nlocation = "a.io"\n[[registry]]\nlocation = "b.io"\ninsecure = false\n';
  const { json } = place(t, { registries, toml: '[upstream]\ninsecure = true\n' });
  const insecure = (reference: string) => (json(reference).endpoints as { insecure: boolean }[])[0]?.insecure;
  assert.deepEqual([insecure('a.io/x'), insecure('b.io/x')], [true, false]);
});

test('with no registries.conf at all the public registries are served', async (t) => {
  const folder = tempFolder(t);
  const options = { cwd: folder, home: folder, uid: 1000, root: folder, env: {}, flags: {} };
  const result = explain('alpine', options);
  assert.ok(result.ok);
  assert.equal(result.explanation.match?.entry.prefix, 'docker.io');
  assert.match(await explanationAsText(result.explanation), /docker\.io, written in the built-in list\n/);
});

test('a configuration that cannot be used is an error of stage load, with file and line', async (t) => {
  const folder = tempFolder(t);
  const broken = join(folder, 'registries.conf');
  writeFileSync(broken, '[[registry]]\nlocation = "https://ex.io"\n');
  const file = ['--registries', broken];
  const { code, stdout, stderr } = await runEntrepot(['explain', 'ex.io/a', '--json', ...file]);
  assert.deepEqual([code, stderr], [2, '']);
  const { error } = JSON.parse(stdout);
  assert.deepEqual(Object.keys(error), ['stage', 'code', 'message', 'file', 'line']);
  assert.deepEqual([error.stage, error.code, error.file, error.line], ['load', 'CONFIG_INVALID', broken, 2]);
  const inWords = await runEntrepot(['explain', 'ex.io/a', ...file]);
  assert.deepEqual([inWords.code, inWords.stdout], [2, '']);
  assert.ok(inWords.stderr.startsWith(`entrepot: ${broken}:2: "https://ex.io" has a URI scheme`));
});

test('a file that is missing is an error of stage load without a line', async () => {
  const args = ['explain', 'ex.io/a', '--json', '--registries', '/nonexistent/registries.conf'];
  const { code, stdout } = await runEntrepot(args);
  const { error } = JSON.parse(stdout);
  assert.equal(code, 2);
  assert.deepEqual(
    [error.stage, error.code, error.file, error.line],
    ['load', 'CONFIG_UNREADABLE', '/nonexistent/registries.conf', null],
  );
});

test('a bad reference is an error of stage reference that says what is wrong with it', async (t) => {
  const { folder } = place(t, { registries: mirrored });
  const ask = (reference: string) =>
    runEntrepot(['explain', reference, '--json', '--registries', 'registries.conf'], { cwd: folder });
  const wrong: [string, RegExp][] = [
    ['ex.io/App:1', /upper-case/],
    ['ex.io/app:-', /invalid tag "-"/],
    ['docker://ex.io/app', /leave out "docker:\/\/"/],
    ['', /is empty/],
  ];
  for (const [reference, message] of wrong) {
    const { code, stdout } = await ask(reference);
    const { error } = JSON.parse(stdout);
    assert.equal(code, 2);
    assert.deepEqual(
      [error.stage, error.code, error.file, error.line],
      ['reference', 'REFERENCE_INVALID', null, null],
    );
    assert.match(error.message, message);
  }
});

test('a rewrite that gives no reference is an error of stage rewrite at the location to blame', (t) => {
  const registries = '[[registry]]\nprefix = "ex.io"\nlocation = "single"\n';
  const { folder } = place(t, { registries });
  const file = join(folder, 'registries.conf');
  const options = { cwd: folder, home: folder, uid: 1000, env: {}, flags: { registries: file } };
  const result = explain('ex.io/a:1', options);
  assert.ok(!result.ok);
  assert.deepEqual(
    [result.stage, result.error.code, result.error.file, result.error.line],
    ['rewrite', 'REWRITE_INVALID', file, 3],
  );
});

test('the words name the prefix, each endpoint and what was left out, with file and line', async (t) => {
  const { text, line } = place(t, { registries: mirrored });
  const said = await text('ex.io/app/web:1');
  for (const part of [
    `ex.io/app, written in ${line(2)}`,
    '1. mirror m2.corp/web:1',
    `m2.corp, written in ${line(10)}`,
    'insecure: HTTPS without verification, then plain HTTP',
    '2. source hub.corp/apps/web:1',
    `hub.corp/apps, written in ${line(3)}`,
    'HTTPS, certificate verified',
    `m1.corp:5000/c, written in ${line(6)}: pull-from-mirror = "digest-only", and this reference has no digest`,
    'A client gets the first good answer.',
  ]) {
    assert.ok(said.includes(part), `${part}\n--- is not in\n${said}`);
  }
});

test('the words say why a mirror is left out, each rule in its own way', async (t) => {
  const byDigest = place(t, {
    registries: `[[registry]]
location = "ex.io"
mirror-by-digest-only = true
[[registry.mirror]]
location = "m.corp"
`,
  });
  assert.match(await byDigest.text('ex.io/a:1'), /m\.corp, .*: mirror-by-digest-only = true, and this/);
  const tagOnly = place(t, { registries: mirrored.replace('digest-only', 'tag-only') });
  const said = await tagOnly.text(`ex.io/app/web:1@${digest}`);
  assert.match(said, /m1\.corp:5000\/c, .*: pull-from-mirror = "tag-only", and this reference has a digest/);
});

test('the words name the file and key of credentials, never a secret', async (t) => {
  const auths = { 'hub.corp/apps': { auth: Buffer.from('robot:hunter2').toString('base64') } };
  const { text, folder } = place(t, {
    registries: mirrored,
    toml: '[[upstream.host]]\nhost = "m2.corp"\nusername = "puller"\npassword_file = "m2.secret"\n',
    others: { 'm2.secret': 'letmein\n', '.docker/config.json': JSON.stringify({ auths }) },
  });
  const said = await text('ex.io/app/web:1');
  assert.ok(said.includes(`${join(folder, 'm2.secret')} (entry m2.corp)`), said);
  assert.ok(said.includes(`${join(folder, '.docker/config.json')} (entry hub.corp/apps)`), said);
  assert.doesNotMatch(said, /hunter2|letmein|robot/);
});

test('a credential helper is named and not run', async (t) => {
  const credHelpers = { 'hub.corp': 'that-does-not-exist' };
  const { text } = place(t, {
    registries: mirrored,
    others: { '.docker/config.json': JSON.stringify({ credHelpers }) },
  });
  assert.match(await text('ex.io/app/web:1'), /those of docker-credential-that-does-not-exist for hub\.corp/);
});

test('credentials and certificates that cannot be used are told where they would be', async (t) => {
  const { text, folder } = place(t, {
    registries: mirrored,
    others: { '.docker/config.json': '{', 'etc/containers/certs.d/m2.corp/x.key': 'no key' },
  });
  const said = await text('ex.io/app/web:1');
  assert.ok(said.includes(`CANNOT BE USED, so asking fails: ${join(folder, '.docker/config.json')}`), said);
  assert.match(said, /certificates +CANNOT BE USED, so asking fails: \S+x\.key: a key without/);
});

test('the words name the proxy without its password', async (t) => {
  const { text } = place(t, {
    registries: mirrored,
    env: { HTTPS_PROXY: 'http://me:hunter2@proxy.corp:3128' },
  });
  const said = await text('ex.io/app/web:1');
  assert.match(said, /proxy +http:\/\/proxy\.corp:3128 for HTTPS, none for plain HTTP\n/);
  assert.match(said, /proxy +http:\/\/proxy\.corp:3128\n/);
  assert.doesNotMatch(said, /hunter2/);
});

test('the words say what a client gets if no endpoint may be asked', async (t) => {
  const { text } = place(t, { registries: '[[registry]]\nlocation = "ex.io"\nblocked = true\n' });
  assert.match(await text('ex.io/a:1'), /never asked +blocked = true in the entry for ex\.io/);
  assert.match(await text('ex.io/a:1'), /else 502: every endpoint is blocked/);
  assert.match(
    await text('other.io/a:1'),
    /A client is refused \(403\), and no host is contacted: .*"other\.io"/,
  );
  const offline = place(t, { registries: mirrored, toml: '[upstream]\noffline = true\n' });
  assert.match(await offline.text('ex.io/app/web:1'), /else 503: upstream\.offline is set/);
});

test('the words tell of an alias and of warnings', async (t) => {
  const { text, line } = place(t, {
    registries: `${mirrored}mirorr = 1\n[aliases]\n"web" = "ex.io/app/web"\n`,
  });
  const said = await text('web:1');
  assert.match(said, /alias +\[aliases\] makes this ex\.io\/app\/web/);
  assert.ok(said.includes(`warning: ${line(12)}: `), said);
});

test('the words tell what a name that only clients write means', async (t) => {
  const toml = 'listen = "127.0.0.1:5000"\n[routing]\nnames = { "reg" = "reg.corp:5443" }\n';
  const { text } = place(t, { registries: mirrored, toml });
  for (const [written, meant] of [
    ['reg/team/app:1', 'reg.corp:5443/team/app:1'],
    ['127.0.0.1:5000/reg/team/app:1', 'reg.corp:5443/team/app:1'],
    ['127.0.0.1:5000/ex.io/app/web', 'ex.io/app/web'],
  ] as const) {
    assert.match(await text(written), new RegExp(`name +a client .* gets ${meant}: explain that name, too`));
  }
  assert.doesNotMatch(await text('ex.io/app/web'), / name /);
});

test('an alias for the very name that is explained is not worth a word', async (t) => {
  const aliases = '[aliases]\n"alpine" = "docker.io/library/alpine"\n"busybox" = "docker.io/busybox"\n';
  const { text } = place(t, { registries: `[[registry]]\nlocation = "docker.io"\n${aliases}` });
  for (const name of ['alpine', 'busybox']) assert.doesNotMatch(await text(name), /alias/);
});

const policy = `apiVersion: config.openshift.io/v1
kind: ImageDigestMirrorSet
metadata:
  name: apps
spec:
  imageDigestMirrors:
  - source: ex.io/app
    mirrors:
    - m3.corp/apps
    mirrorSourcePolicy: NeverContactSource
---
apiVersion: config.openshift.io/v1
kind: Image
metadata: { name: cluster }
spec: { registrySources: { insecureRegistries: [m3.corp] } }
`;

test('a mirror and a block of an object name the object', async (t) => {
  const { folder } = place(t, { registries: mirrored, others: { 'policies/a.yaml': policy } });
  const args = [
    'explain',
    `ex.io/app/web@${digest}`,
    '--registries',
    'registries.conf',
    '--policies',
    'policies',
  ];
  const { code, stdout, stderr } = await runEntrepot([...args, '--json'], { cwd: folder });
  assert.deepEqual([code, stderr], [0, '']);
  const { blocked, endpoints } = JSON.parse(stdout) as {
    blocked: boolean;
    endpoints: Record<string, unknown>[];
  };
  const file = join(folder, 'policies/a.yaml');
  assert.equal(blocked, true);
  assert.deepEqual(
    endpoints.map(({ location, blocked, from }) => [location, blocked, from]),
    [
      ['m1.corp:5000/c', false, undefined],
      ['m2.corp', false, undefined],
      ['m3.corp/apps', false, { kind: 'ImageDigestMirrorSet', name: 'apps', file, line: 9 }],
      ['hub.corp/apps', true, undefined],
    ],
  );
  const inWords = await runEntrepot(args, { cwd: folder });
  assert.ok(
    inWords.stdout.includes(`m3.corp/apps, written in ${file}:9, ImageDigestMirrorSet "apps"\n`),
    inWords.stdout,
  );
  assert.ok(inWords.stdout.includes(`by ${file}:10, ImageDigestMirrorSet "apps"\n`), inWords.stdout);
  assert.match(inWords.stdout, /insecure +by \S+a\.yaml:15, Image "cluster"\n/);
});

test('an object that cannot be used is a failure of the load, with its place', async (t) => {
  const { folder } = place(t, {
    registries: mirrored,
    others: { 'policies/a.yaml': policy.replace('m3', 'M3/') },
  });
  const args = [
    'explain',
    'ex.io/app/web:1',
    '--registries',
    'registries.conf',
    '--policies',
    'policies',
    '--json',
  ];
  const { code, stdout } = await runEntrepot(args, { cwd: folder });
  const { error } = JSON.parse(stdout) as { error: Record<string, unknown> };
  assert.equal(code, 2);
  const { message, ...rest } = error;
  assert.deepEqual(rest, {
    stage: 'load',
    code: 'CONFIG_INVALID',
    file: join(folder, 'policies/a.yaml'),
    line: 9,
  });
  assert.match(
    String(message),
    /^ImageDigestMirrorSet "apps": the mirror "M3\/\.corp\/apps" has not the right form/,
  );
});

test('peers come first, with how they are proven, and the shard is told', async (t) => {
  const cluster = (members: string) => `[cluster]\n${members}\nsecret_file = "cluster.secret"\n`;
  const peers = ['e1', 'e2', 'e3'].map((name) => `"https://${name}.corp:5000"`).join(', ');
  const listed = place(t, {
    registries: mirrored,
    toml: cluster(`peers = [${peers}]\nself = "https://e1.corp:5000"`),
  });
  const { shard, endpoints } = listed.json(`ex.io/app/web@${digest}`) as {
    shard: number;
    endpoints: readonly { role: string; host: string }[];
  };
  assert.equal(shard, 0xaa);
  const order = endpoints.map(({ role, host }) => `${role} ${host}`);
  const asked = order.filter((one) => one.startsWith('peer'));
  assert.deepEqual(order, [...asked, 'mirror m1.corp:5000', 'mirror m2.corp', 'source hub.corp']);
  assert.ok(asked.length > 0 && !asked.includes('peer e1.corp:5000'));
  const text = await listed.text(`ex.io/app/web@${digest}`);
  assert.match(text, /cluster +shard 170\n/);
  assert.match(
    text,
    /1\. peer e[23]\.corp:5000[\s\S]*signed with the secret in .*cluster\.secret[\s\S]*ns +ex\.io/,
  );

  const found = place(t, { registries: mirrored, toml: cluster('dns = "entrepot-peers:5000"') });
  const inWords = await found.text(`ex.io/app/web@${digest}`);
  assert.match(
    inWords,
    /cluster +shard 170, whose owner among the addresses of entrepot-peers:5000 is asked first/,
  );
});
