/** Commands that act on a server of another machine: `--server URL`, with a token from a file. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { createAdminClient } from '../../src/cli/admin-client.ts';
import { connectRemote } from '../../src/cli/server-connection.ts';
import { readRemoteServer } from '../../src/config/remote-server.ts';
import { passwordLine } from '../support/access.ts';
import { createCertificateAuthority } from '../support/certificates.ts';
import { buildImage } from '../support/images.ts';
import { insecureRegistry, settled, startMirrored } from '../support/mirrored-registry.ts';
import { runEntrepot } from '../support/processes.ts';
import { tempFolder } from '../support/temp-folder.ts';

const image = buildImage({ seed: 'remote', layers: [40_000] });
const rules = `[access]
anonymous = ["pull"]
htpasswd = "htpasswd"
[[access.rule]]
who = ["root"]
match = "**"
may = ["administer"]
[[push]]
match = "images.local/**"
mode = "local"
`;

/** A server with an account that may administer, and one that may not; `folder` is that of the client. */
async function start(t: TestContext, top = '', folder = tempFolder(t)) {
  const lines = ['root', 'bob'].map((name) => passwordLine(name, `${name}-secret`));
  writeFileSync(join(folder, 'htpasswd'), lines.join(''));
  const mirrored = await startMirrored(t, { toml: top + rules, folder });
  const { registry, get, proxy } = mirrored;
  registry.putImage('team/app', '1', image);
  await get('team/app', 'manifests/1');
  for (const { digest } of image.blobs) await get('team/app', `blobs/${digest}`);
  await settled(proxy);
  const client = tempFolder(t);
  const file = (name: string, text: string) => {
    writeFileSync(join(client, name), text);
    return join(client, name);
  };
  const token = file('root.token', 'root:root-secret\n');
  const far = async (...args: string[]) => {
    const all = [...args, '--server', proxy.url, '--token-file', token];
    const { code, stdout, stderr } = await runEntrepot(all, { cwd: client });
    const json = args.includes('--json') && stdout !== '' ? JSON.parse(stdout) : undefined;
    return { code, stdout, stderr, json };
  };
  return { ...mirrored, client, file, token, far, name: `${registry.host}/team/app` };
}

describe('a command with --server', () => {
  it('lists, pulls, pins, scrubs and purges there, and makes no data folder here', async (t) => {
    const { far, name, registry, client } = await start(t);
    assert.equal((await far('list', '--json')).json[0].image, name);
    registry.putImage('team/app', '2', buildImage({ seed: 'more' }));
    const pulled = await far('pull', `${name}:2`, '--json');
    assert.deepEqual([pulled.code, pulled.json[0].failures], [0, []]);
    assert.deepEqual((await far('pin', `${name}:2`, '--json')).json.added, [`${name}:2`]);
    assert.ok((await far('scrub', '--json')).json.checked > 4);
    const purged = await far('purge', `${name}:1`, '--json');
    assert.equal(purged.json[0].tags, 1, purged.stderr);
    assert.equal((await far('usage', '--json')).json.repositories[0].tags, 1);
    assert.deepEqual((await far('jobs', 'list', '--json')).json, []);
    assert.deepEqual(readdirSync(client), ['root.token']);
  });

  it('exports, imports and backs up: the files are of the machine of the command', async (t) => {
    const { far, name, client } = await start(t);
    const exported = await far('export', `${name}:1`, '--to', join(client, 'site'));
    assert.equal(exported.code, 0, exported.stderr);
    const volume = readdirSync(client).find((file) => file.endsWith('.tar')) ?? assert.fail('no volume');
    const imported = await far('import', join(client, volume), '--json');
    assert.equal(imported.code, 0, imported.stderr);
    const saved = await far('backup', '--to', join(client, 'saved/'), '--content', 'all', '--json');
    assert.equal(saved.code, 0, saved.stderr);
    assert.ok(saved.json.written > 40_000);
  });

  it('is named by ENTREPOT_SERVER as well, with ENTREPOT_TOKEN_FILE', async (t) => {
    const { proxy, token, name } = await start(t);
    const env = { ENTREPOT_SERVER: proxy.url, ENTREPOT_TOKEN_FILE: token };
    const { stdout, stderr } = await runEntrepot(['list', '--json'], { env });
    assert.equal(JSON.parse(stdout)[0].image, name);
    assert.equal(stderr, '');
  });

  it('says why it cannot be done', async (t) => {
    const { far, file, proxy } = await start(t);
    const as = (secret: string) =>
      runEntrepot(['gc', '--server', proxy.url, '--token-file', file(`${secret}.token`, secret)]);
    const failures: [RegExp, number, Promise<{ code: number | null; stderr: string }>][] = [
      [/no account has this name and password/, 1, as('root:wrong-secret')],
      [/bob has not the right administer/, 1, as('bob:bob-secret')],
      [
        /an account with the right administer is needed: --token-file gives a command one/,
        1,
        runEntrepot(['gc', '--server', proxy.url]),
      ],
      [/cannot be reached: connect ECONNREFUSED/, 1, runEntrepot(['gc', '--server', 'http://127.0.0.1:1'])],
      [/check works on the files of this machine: leave out --server/, 2, far('check')],
      [
        /sync --from works on the files of this machine: leave out --server/,
        2,
        far('sync', '--from', 'regsync.yml'),
      ],
      [
        /gone\.token: there is no such file: create it, or correct its name\n$/,
        2,
        runEntrepot(['gc', '--server', proxy.url, '--token-file', '/gone.token']),
      ],
      [/--server must be a URL/, 2, runEntrepot(['gc', '--server', 'ex.test:5000'])],
      [/name it with --server URL/, 2, runEntrepot(['gc', '--token-file', 'x'])],
    ];
    for (const [words, code, failing] of failures) {
      const failed = await failing;
      assert.match(failed.stderr, words);
      assert.equal(failed.code, code, failed.stderr);
      assert.doesNotMatch(failed.stderr, /-secret/);
    }
  });
});

describe('a server that is no Entrepot', () => {
  const page = '<html>\n</html>';
  for (const [what, answer, words] of [
    ['closes the connection', '', /ended the connection without an answer: /],
    ['speaks another protocol', 'SSH-2.0-OpenSSH_9\r\n', /does not answer as Entrepot does \(Parse Error/],
    [
      'breaks off',
      'HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{',
      /ended the connection without an answer: |ended before the pull did/,
    ],
    [
      'has a page for each path',
      `HTTP/1.1 200 OK\r\ncontent-length: ${page.length}\r\n\r\n${page}`,
      /does not answer as Entrepot does: is this its URL|answers 200: is this the URL/,
    ],
  ] as const)
    it(`is told of in one line when it ${what}`, async (t) => {
      const url = `http://${await startStranger(t, answer)}`;
      for (const args of [['gc'], ['list'], ['pull', 'quay.io/a']]) {
        const { code, stderr } = await runEntrepot([...args, '--server', url]);
        assert.match(stderr, /^entrepot: http:\/\/127\.0\.0\.1:[^\n]+\n$/);
        assert.match(stderr, words);
        assert.equal(code, 1);
      }
    });

  it('is told of in one line when it speaks no TLS', async (t) => {
    const host = await startStranger(t, 'HTTP/1.1 400 Bad Request\r\n\r\n');
    const { code, stderr } = await runEntrepot(['gc', '--server', `https://${host}`]);
    assert.match(
      stderr,
      /^entrepot: https:\S+ does not answer as Entrepot does \(wrong version number\): is this its URL[^\n]+\n$/,
    );
    assert.equal(code, 1);
  });
});

/** Sends `answer` to whatever comes, and closes the connection. */
async function startStranger(t: TestContext, answer: string): Promise<string> {
  const server = createTcpServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => socket.end(answer));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => void server.close());
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe('a token', () => {
  const remote = (flags: object, cwd: string) => readRemoteServer(flags, {}, cwd);

  it('goes over plain HTTP to this machine alone, unless --plain-http says so', (t) => {
    const cwd = tempFolder(t);
    writeFileSync(join(cwd, 'token'), 'entrepot_abc\n');
    const from = (server: string, more = {}) => remote({ server, tokenFile: 'token', ...more }, cwd);
    for (const url of ['http://ex.test', 'http://10.0.0.1:5000', 'http://localhost.ex.test'])
      assert.throws(() => from(url), /in plain text: use https:\/\/, or --plain-http/);
    for (const url of ['http://localhost:5000', 'http://127.0.0.1', 'http://[::1]:5000', 'https://ex.test'])
      assert.equal(from(url)?.authorization, 'Bearer entrepot_abc');
    assert.equal(from('http://ex.test', { plainHttp: true })?.authorization, 'Bearer entrepot_abc');
    writeFileSync(join(cwd, 'token'), 'ops:secret');
    assert.equal(from('https://ex.test')?.authorization, `Basic ${btoa('ops:secret')}`);
    assert.throws(
      () => from('https://root:hidden@ex.test'),
      (error: Error) => !/hidden/.test(error.message),
    );
  });

  it('follows no redirect', async (t) => {
    const asked: (string | undefined)[] = [];
    const thief = createServer((incoming, outgoing) => {
      asked.push(incoming.headers.authorization);
      outgoing.end('[]');
    });
    const honest = createServer((_, outgoing) => {
      outgoing.writeHead(307, { location: `${urlOf(thief)}/api/v1/usage` }).end();
    });
    const urlOf = (server: typeof thief) => `http://127.0.0.1:${(server.address() as { port: number }).port}`;
    for (const server of [thief, honest]) {
      await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
      t.after(() => server.close());
    }
    const url = new URL(urlOf(honest));
    const client = createAdminClient(connectRemote({ url, authorization: 'Bearer abc', ca: undefined }));
    await assert.rejects(client.usage(), /answers 307, and sends on to .*is this the URL of an Entrepot/);
    await assert.rejects(client.pull('alpine', { platforms: [], onProgress: () => {} }), /answers 307/);
    assert.deepEqual(asked, []);
  });
});

it('a server that speaks no TLS is told of in a sentence where an archive is sent, too', async (t) => {
  const url = new URL(`https://${await startStranger(t, 'HTTP/1.1 400 Bad Request\r\n\r\n')}`);
  const client = createAdminClient(connectRemote({ url, authorization: undefined, ca: undefined }));
  const bytes = async function* () {
    yield Buffer.from('x');
  };
  const archive = { file: 'a.tar', bytes: bytes() };
  await assert.rejects(
    client.importVolume(archive, { name: undefined, cached: undefined, signal: undefined }),
    {
      code: 'SERVER_UNREACHABLE',
      message: /^https.* does not answer as Entrepot does \(wrong version number\): is this its URL/,
    },
  );
});

it('--ca-file trusts the authority of the server; without it the command says what is wrong', async (t) => {
  const authority = createCertificateAuthority();
  const folder = tempFolder(t);
  const { cert, key } = authority.issue();
  writeFileSync(join(folder, 'tls.crt'), cert);
  writeFileSync(join(folder, 'tls.key'), key);
  const tls = '[tls]\ncertificate = "tls.crt"\nkey = "tls.key"\n';
  writeFileSync(join(folder, 'htpasswd'), passwordLine('root', 'root-secret'));
  const { proxy } = await startMirrored(t, {
    folder,
    toml: tls + rules,
    registries: ({ host }) => insecureRegistry(host),
  });
  writeFileSync(join(folder, 'ca.crt'), authority.cert);
  writeFileSync(join(folder, 'token'), 'root:root-secret');
  const clientOf = (flags: object) => {
    const remote = readRemoteServer({ server: proxy.url, tokenFile: 'token', ...flags }, {}, folder);
    return createAdminClient(connectRemote(remote ?? assert.fail('no server')));
  };
  assert.equal((await clientOf({ caFile: 'ca.crt' }).usage()).contents, 0);
  await assert.rejects(clientOf({ server: proxy.url.replace('https:', 'http:') }).usage(), {
    code: 'SERVER_UNREACHABLE',
    message: /answers 400, "This port speaks HTTPS: write https:\/\/ for http:\/\/\.": is this the URL/,
  });
  await assert.rejects(clientOf({}).usage(), {
    code: 'SERVER_UNREACHABLE',
    message: /cannot be trusted: .*; --ca-file names the CA/,
  });
});
