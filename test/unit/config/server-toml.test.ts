import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { keptUntilRestart, readServerToml } from '../../../src/config/server-toml.ts';

const cwd = '/srv/work';

function read(text: string) {
  return readServerToml({ file: '/etc/entrepot.toml', text }, cwd);
}

function server(text: string) {
  const { server, problems } = read(text);
  assert.deepEqual(problems, []);
  return server;
}

/** `LINE: message` of all problems. */
function problems(text: string): string[] {
  return read(text).problems.map((problem) => {
    assert.equal(problem.code, 'CONFIG_INVALID');
    assert.equal(problem.file, '/etc/entrepot.toml');
    return `${problem.line}: ${problem.message}`;
  });
}

const defaults = {
  listen: { host: '127.0.0.1', port: 5000 },
  data: '/srv/work/data',
  policies: undefined,
  policiesFrom: undefined,
  reloadOnChange: true,
  tls: { certificate: undefined, key: undefined, clientCa: undefined },
  audit: { file: undefined, actions: ['pull', 'push', 'delete', 'change'], blobs: false },
  tracing: undefined,
  log: { level: 'info', format: undefined },
  trustedProxies: [],
  limits: { stopGrace: 30_000, drainDelay: 0, maxConnections: 10_000, clientStall: 3_600_000 },
  routing: { defaultRegistry: 'docker.io', unlisted: 'refuse', hosts: new Map(), names: new Map() },
  access: {
    anonymous: ['pull'],
    htpasswd: undefined,
    tokenKey: undefined,
    realm: undefined,
    oidc: [],
    issuers: [],
    rules: [],
  },
  push: [],
  syncs: [],
  eventSenders: [],
  eventSinks: [],
  gates: [],
  facts: undefined,
  cluster: undefined,
  stores: [],
  publicUrl: undefined,
  upstream: {
    lookupTimeout: 10_000,
    connectTimeout: 3000,
    headerTimeout: 15_000,
    stallTimeout: 30_000,
    totalTimeout: 120_000,
    queueTimeout: 30_000,
    insecure: false,
    tokenRealms: [],
    offline: false,
    caFile: undefined,
    hosts: [],
  },
  transfer: { fill: 'always', writeBehind: 8 * 1024 * 1024 },
  cache: {
    maxSize: undefined,
    minFree: 1024 ** 3,
    quotas: [],
    pins: [],
    pinnedBy: [],
    scrub: { every: undefined, rate: 20 * 1024 ** 2 },
  },
  freshness: {
    tag: 60_000,
    missing: 10_000,
    onMissing: 'drop',
    serveStaleWhileRevalidating: false,
    rules: [],
  },
};

describe('entrepot.toml', () => {
  it('is all defaults when it is empty, commented out, or not there', () => {
    assert.deepEqual(server(''), defaults);
    assert.deepEqual(server('# listen = "0.0.0.0:80"\r\n[cache]\r\n'), defaults);
    const { server: withoutFile, problems } = readServerToml(undefined, cwd);
    assert.deepEqual([withoutFile, problems], [defaults, []]);
  });

  it('sets everything', () => {
    const text = `
      listen = "[::1]:80"
      data = "/var/lib/entrepot"
      policies = "policies"
      policies_from = "kubernetes"
      reload_on_change = false
      trusted_proxies = ["10.0.0.0/8", "2001:db8::1"]
      log = { level = "debug", format = "text" }
      limits = { stop_grace = "1m", drain_delay = "2s", max_connections = 5, client_stall = "20m" }
      [audit]
      file = "audit.log"
      actions = ["push"]
      blobs = true
      [tracing]
      endpoint = "http://collector:4318/v1/traces"
      sample = 0.1
      service = "mirror"
      headers_file = "headers"
      [tls]
      certificate = "tls.crt"
      key = "/etc/tls.key"
      client_ca = "ca/clients.crt"
      [routing]
      default_registry = "index.docker.io"
      unlisted = "direct"
      hosts = { "Hub.corp" = "docker.io", "quay.corp:80" = "quay.io" }
      names = { "reg-corp" = "reg.corp:5443" }
      [access]
      anonymous = []
      htpasswd = "htpasswd"
      token_key = "/etc/token.pem"
      realm = "https://gitlab.corp/jwt/auth"
      [[access.rule]]
      who = ["ci", "group:platform", "cn=node-*"]
      match = "docker.io/team/**"
      may = ["pull", "push"]
      [[access.oidc]]
      issuer = "https://login.corp"
      audience = "entrepot"
      [[access.issuer]]
      issuer = "gitlab"
      audience = "container_registry"
      keys = "gitlab.pem"
      [[push]]
      match = "images.local/**"
      mode = "local"
      delete = true
      immutable = ["v*"]
      [facts]
      url_file = "facts-url"
      gone_after = "12h"
      [upstream]
      lookup_timeout = "1s"
      connect_timeout = "1s"
      header_timeout = "2s"
      stall_timeout = "3s"
      total_timeout = "4s"
      queue_timeout = "5s"
      insecure = true
      token_realms = ["auth.corp", "auth.corp:8443", "*.auth.corp"]
      offline = true
      ca_file = "ca.pem"
      [[upstream.host]]
      host = "m1.corp:5000"
      connect_timeout = "100ms"
      header_timeout = "200ms"
      stall_timeout = "300ms"
      max_connections = 16
      fetchers = 4
      proxy = "http://u:p@proxy.corp:3128"
      username = "u"
      password_file = "secrets/m1"
      [[upstream.host]]
      host = "m2.corp"
      proxy = "direct"
      identity_token_file = "/run/secrets/m2"
      [[upstream.host]]
      host = "m3.corp"
      token = { key_file = "registry.key", issuer = "gitlab", kid = "thumbprint" }
      [transfer]
      fill = 0.5
      write_behind = "16MiB"
      [cache]
      max_size = "50GiB"
      min_free = 1024
      scrub_every = "30d"
      scrub_rate = "50MB"
      [[cache.quota]]
      match = "docker.io/team/**"
      max_size = "5GB"
      [[cache.pin]]
      match = "quay.io/{a,b}/*"
      [freshness]
      tag = "0s"
      missing = "5s"
      on_missing = "keep"
      [[freshness.rule]]
      match = "registry.k8s.io/**"
      tag = "24h"`;
    assert.deepEqual(server(text), {
      listen: { host: '::1', port: 80 },
      data: '/var/lib/entrepot',
      policies: '/etc/policies',
      policiesFrom: 'kubernetes',
      log: { level: 'debug', format: 'text' },
      reloadOnChange: false,
      trustedProxies: ['10.0.0.0/8', '2001:db8::1'],
      tls: { certificate: '/srv/work/tls.crt', key: '/etc/tls.key', clientCa: '/srv/work/ca/clients.crt' },
      audit: { file: '/srv/work/audit.log', actions: ['push'], blobs: true },
      tracing: {
        ...{ endpoint: 'http://collector:4318/v1/traces', sample: 0.1, service: 'mirror' },
        headersFile: '/srv/work/headers',
      },
      limits: { stopGrace: 60_000, drainDelay: 2000, maxConnections: 5, clientStall: 1_200_000 },
      routing: {
        defaultRegistry: 'docker.io',
        unlisted: 'direct',
        hosts: new Map([
          ['hub.corp', 'docker.io'],
          ['quay.corp:80', 'quay.io'],
        ]),
        names: new Map([['reg-corp', 'reg.corp:5443']]),
      },
      access: {
        anonymous: [],
        htpasswd: `${cwd}/htpasswd`,
        tokenKey: '/etc/token.pem',
        realm: 'https://gitlab.corp/jwt/auth',
        oidc: [{ issuer: 'https://login.corp', audience: 'entrepot', name: 'sub', groups: 'groups' }],
        issuers: [
          { issuer: 'gitlab', audience: 'container_registry', keys: `${cwd}/gitlab.pem`, match: '**' },
        ],
        rules: [
          {
            who: ['ci', 'group:platform', 'cn=node-*'],
            match: 'docker.io/team/**',
            may: ['pull', 'push'],
            line: 33,
          },
        ],
      },
      syncs: [],
      eventSenders: [],
      eventSinks: [],
      gates: [],
      facts: { urlFile: '/srv/work/facts-url', goneAfter: 43_200_000 },
      cluster: undefined,
      stores: [],
      publicUrl: undefined,
      push: [{ match: 'images.local/**', mode: 'local', delete: true, immutable: ['v*'] }],
      upstream: {
        lookupTimeout: 1000,
        connectTimeout: 1000,
        headerTimeout: 2000,
        stallTimeout: 3000,
        totalTimeout: 4000,
        queueTimeout: 5000,
        insecure: true,
        tokenRealms: ['auth.corp', 'auth.corp:8443', '*.auth.corp'],
        offline: true,
        caFile: '/srv/work/ca.pem',
        hosts: [
          {
            host: 'm1.corp:5000',
            connectTimeout: 100,
            headerTimeout: 200,
            stallTimeout: 300,
            maxConnections: 16,
            fetchers: 4,
            proxy: 'http://u:p@proxy.corp:3128/',
            username: 'u',
            passwordFile: '/srv/work/secrets/m1',
            identityTokenFile: undefined,
            token: undefined,
          },
          {
            host: 'm2.corp',
            connectTimeout: undefined,
            headerTimeout: undefined,
            stallTimeout: undefined,
            maxConnections: undefined,
            fetchers: undefined,
            proxy: 'direct',
            username: undefined,
            passwordFile: undefined,
            identityTokenFile: '/run/secrets/m2',
            token: undefined,
          },
          {
            host: 'm3.corp',
            connectTimeout: undefined,
            headerTimeout: undefined,
            stallTimeout: undefined,
            maxConnections: undefined,
            fetchers: undefined,
            proxy: undefined,
            username: undefined,
            passwordFile: undefined,
            identityTokenFile: undefined,
            token: {
              keyFile: '/srv/work/registry.key',
              issuer: 'gitlab',
              audience: 'container_registry',
              kid: 'thumbprint',
              expiry: 300_000,
            },
          },
        ],
      },
      transfer: { fill: 0.5, writeBehind: 16 * 1024 * 1024 },
      cache: {
        maxSize: 50 * 1024 ** 3,
        minFree: 1024,
        quotas: [{ match: 'docker.io/team/**', maxSize: 5e9 }],
        pins: ['quay.io/{a,b}/*'],
        pinnedBy: [],
        scrub: { every: 30 * 86_400_000, rate: 50e6 },
      },
      freshness: {
        tag: 0,
        missing: 5000,
        onMissing: 'keep',
        serveStaleWhileRevalidating: false,
        rules: [{ match: 'registry.k8s.io/**', tag: 86_400_000 }],
      },
    });
  });
});

describe('a value near a bound', () => {
  it('is taken: the largest size, and the names of Docker Hub in any letters', () => {
    assert.equal(server('cache.max_size = "8191TiB"').cache.maxSize, 8191 * 1024 ** 4);
    for (const name of ['DOCKER.IO', 'Index.Docker.io', 'registry-1.docker.io']) {
      assert.equal(server(`routing.default_registry = "${name}"`).routing.defaultRegistry, 'docker.io');
    }
  });
});

describe('a value without quotes', () => {
  for (const [text, expected] of [
    ['[cache]\nmax_size = 1GiB\n', 'unexpected "G": write "1GiB", in quotes\n2 | max_size = 1GiB'],
    ['[freshness]\ntag = 5m # minutes\n', 'write "5m", in quotes'],
    ['listen = 127.0.0.1:5000\n', 'only true, false and numbers are written without quotes'],
    ['[upstream]\noffline = yes\n', 'only true, false and numbers are written without quotes'],
  ] as const) {
    it(`gets a hint: ${JSON.stringify(text)}`, () => {
      assert.throws(
        () => read(text),
        (error: Error) => error.message.includes(expected),
      );
    });
  }
});

describe('an unknown key', () => {
  for (const [text, expected] of [
    ['lisen = "x"', /^1: unknown key "lisen" above the first table: did you mean listen\?$/],
    ['[cache]\nmaxSize = "1GB"', /^2: unknown key "maxSize" in \[cache\]: did you mean max_size\?$/],
    ['[cache]\nlisten = "x"', /^2: .*"listen" in \[cache\]: it belongs above the first table$/],
    ['max_size = "1GB"', /^1: .*it belongs in \[cache\]$/],
    ['[chache]\n', /^1: unknown key "chache".*did you mean cache\?$/],
    [
      '[limits]\ncolour = 1',
      /^2: .*known there are client_stall, drain_delay, max_connections, stop_grace, workers$/,
    ],
    [
      '[[upstream.host]]\nhost = "h.io"\npasword_file = "x"',
      /^3: .*in \[\[upstream\.host\]\]: did you mean password_file\?$/,
    ],
    ['[[upstream.hosts]]\nhost = "h.io"', /^1: unknown key "hosts" in \[upstream\]: did you mean host\?$/],
    ['[limits]\ntrusted_proxies = []', /^2: .*it belongs above the first table$/],
    ['"lis ten" = 1', /^1: unknown key "lis ten"/],
  ] as const) {
    it(`names its line and what may be meant: ${JSON.stringify(text)}`, () => {
      const found = problems(text);
      assert.equal(found.length, 1);
      assert.match(found[0]!, expected);
    });
  }
});

describe('a wrong value', () => {
  for (const [text, expected] of [
    [
      'listen = "5000"',
      'listen must be HOST:PORT, such as "127.0.0.1:5000", "0.0.0.0:5000" or "[::]:5000", not "5000"',
    ],
    ['listen = ":5000"', 'not ":5000"'],
    ['listen = "localhost:65536"', 'not "localhost:65536"'],
    ['listen = "::1:80"', 'not "::1:80"'],
    ['listen = 5000', 'not 5000'],
    [
      'trusted_proxies = ["0.0.0.0/0"]',
      'each item of trusted_proxies must be an IP address or a network such as',
    ],
    ['trusted_proxies = ["::/0"]', 'each item of trusted_proxies must be an IP address or a network such as'],
    [
      'trusted_proxies = ["10.0.0.0/33"]',
      'each item of trusted_proxies must be an IP address or a network such as',
    ],
    ['data = ""', 'data must be a path of at least one character, not ""'],
    ['log.level = "trace"', 'log.level must be "debug", "info", "warn" or "error", not "trace"'],
    ['upstream.connect_timeout = 3', 'upstream.connect_timeout must be a duration like'],
    ['upstream.connect_timeout = "3"', 'not "3"'],
    ['upstream.stall_timeout = "0s"', 'more than zero'],
    ['limits.stop_grace = "25h"', 'at most "24h"'],
    [
      'limits.workers = 2',
      'limits.workers must be 1: one process serves a data folder (docs/decisions/0044); for more cores',
    ],
    ['freshness.tag = "1w"', 'freshness.tag must be a duration like'],
    ['upstream.insecure = "true"', 'upstream.insecure must be true or false, not "true"'],
    ['limits.max_connections = 0', 'a whole number from 1'],
    ['limits.max_connections = 1.5', 'not 1.5'],
    ['cache.max_size = "50G"', 'cache.max_size must be a size like'],
    ['cache.max_size = 0', 'not 0'],
    ['cache.min_free = -1', 'not -1'],
    ['cache.scrub_every = "30m"', 'from "1h" to "3650d", not "30m"'],
    ['cache.scrub_every = "3651d"', 'not "3651d"'],
    ['cache.scrub_rate = "1B"', 'at least 1024 bytes'],
    ['cache.max_size = 9007199254740993', 'cache.max_size must be a size like'],
    ['transfer.write_behind = "1KiB"', 'at least 1048576 bytes'],
    ['transfer.fill = 1.1', 'a share from 0 to 1'],
    ['transfer.fill = "sometimes"', '"always", "never"'],
    ['routing.default_registry = "https://docker.io"', 'without "https://"'],
    ['routing.default_registry = "docker.io/library"', 'without a path'],
    ['routing.unlisted = "allow"', 'must be "refuse" or "direct"'],
    ['routing.hosts = { "a b" = "docker.io" }', 'the key "a b" of routing.hosts must be HOST'],
    ['routing.hosts = { hub = "https://x" }', 'routing.hosts "hub" must be a registry'],
    ['routing.names = { "a/b" = "docker.io" }', 'one path component'],
    ['routing.names = { ".." = "docker.io" }', 'one path component'],
    ['routing.hosts = ["x"]', 'a table of keys and values, not a list'],
    ['upstream.token_realms = "auth.corp"', 'must be a list in brackets, not "auth.corp"'],
    ['upstream.token_realms = ["*.com"]', 'must be HOST, HOST:PORT or *.DOMAIN'],
    ['upstream.token_realms = ["*.a.com:80"]', 'must be HOST, HOST:PORT or *.DOMAIN'],
    [
      'upstream.token_realms = ["ok.corp", "https://auth.corp"]',
      'each item of upstream.token_realms must be HOST',
    ],
    ['cache = 3', 'cache must be a table, [cache] or cache = { KEY = VALUE }, not 3'],
    ['[[cache]]', 'cache must be a table, [cache] or cache = { KEY = VALUE }, not a list'],
    ['[cache.quota]', 'cache.quota must be a list of tables, [[cache.quota]], not a table'],
    ['cache.pin = ["docker.io/**"]', 'must be a list of tables, [[cache.pin]]'],
    ['[[cache.pin]]', '[[cache.pin]] needs the key match'],
    ['cache.pin = [{ match = "docker.io/[a" }]', 'brackets closed, not "docker.io/[a"'],
    ['cache.pin = [{ match = "https://docker.io/**" }]', 'a pattern over REGISTRY/REPOSITORY'],
    ['cache.pin = [{ match = "" }]', 'not ""'],
    ['upstream.host = [{ max_connections = 3 }]', '[[upstream.host]] needs the key host'],
    ['upstream.host = [{ host = "h.io", password_file = "x" }]', 'password_file needs username'],
    ['upstream.host = [{ host = "h.io", username = "x" }]', 'username needs password_file'],
    ['upstream.host = [{ host = "h.io", username = "a:b", identity_token_file = "x" }]', 'without ":"'],
    [
      'upstream.host = [{ host = "h.io", token = { key_file = "x" } }]',
      '[upstream.host.token] needs the key issuer',
    ],
    [
      'upstream.host = [{ host = "h.io", token = { issuer = "x" } }]',
      '[upstream.host.token] needs the key key_file',
    ],
    ['upstream.host = [{ host = "h.io", token = "x" }]', 'upstream.host.token must be a table'],
    [
      'upstream.host = [{ host = "h.io", token = { key_file = "x", issuer = "x", kit = "x" } }]',
      'did you mean kid?',
    ],
    [
      'upstream.host = [{ host = "h.io", token = { key_file = "x", issuer = "x", expiry = "2h" } }]',
      'upstream.host.token.expiry must be a duration like "500ms", "30s", "2m", "24h" or "7d", from "1m" to "1h"',
    ],
    [
      'upstream.host = [{ host = "h.io", identity_token_file = "x", token = { key_file = "x", issuer = "x" } }]',
      'token excludes username, password_file and identity_token_file',
    ],
    [
      'upstream.host = [{ host = "h.io", username = "a", password_file = "x", identity_token_file = "x" }]',
      'exclude each other',
    ],
    ['freshness.rule = [{ match = "x/**" }]', '[[freshness.rule]] needs the key tag: a duration'],
    ['freshness.tag = 1979-05-27', 'not a date'],
    ['freshness.tag = "3651d"', 'at most "3650d", not "3651d"'],
    ['policies_from = "k8s"', 'policies_from must be "kubernetes", not "k8s"'],
    ['cache.max_size = "9999TiB"', 'below "8192TiB", not "9999TiB"'],
    ['routing.default_registry = "ex.io:99999"', 'not "ex.io:99999"'],
    ['upstream.host = [{ host = "ex.io:65536" }]', 'not "ex.io:65536"'],
    ['upstream.token_realms = ["ex.io:65536"]', 'HOST:PORT'],
  ] as const) {
    it(`is told with what belongs there: ${text}`, () => {
      const found = problems(text);
      assert.ok(
        found.some((problem) => problem.startsWith('1: ') && problem.includes(expected)),
        found.join('\n'),
      );
    });
  }

  it('that is long is cut', () => {
    assert.ok(problems(`listen = "${'x'.repeat(10_000)}"`)[0]!.length < 300);
  });

  it('of a proxy is not shown: it may hold a password', () => {
    const [problem] = problems('upstream.host = [{ host = "h.io", proxy = "socks5://u:s3cret@p" }]');
    assert.match(problem!, /upstream\.host\.proxy must be the URL of an HTTP proxy/);
    assert.ok(!problem!.includes('s3cret'));
  });

  it('leaves the default in its place', () => {
    assert.deepEqual(read('listen = 3\n[freshness]\ntag = "soon"\n').server, defaults);
  });
});

describe('all that is wrong', () => {
  it('is reported together, in the order of the lines', () => {
    const text =
      '[cache]\nmax_sise = "1GB"\n\nmin_free = "much"\n[upstream]\ninsecure = 1\n[[upstream.host]]\nhost = "h.io"\n\n[[upstream.host]]\nhost = "h.io"\n';
    const found = problems(text);
    assert.deepEqual(
      found.map((problem) => Number.parseInt(problem, 10)),
      [2, 4, 6, 11],
    );
    assert.match(found[3]!, /a second \[\[upstream\.host\]\] for h\.io/);
  });

  it('in a multi-line array is told with the line of the item', () => {
    assert.match(problems('[upstream]\ntoken_realms = [\n  "a.corp",\n  "b/c",\n]\n')[0]!, /^4: /);
  });

  it('with the syntax is thrown, with its line', () => {
    for (const text of [
      '\nlisten = \n',
      '\nlisten "x"\n',
      'listen = "a:1"\nlisten = "b:1"\n',
      '\n[cache\n',
    ]) {
      assert.throws(() => read(text), { code: 'CONFIG_INVALID', file: '/etc/entrepot.toml', line: 2 });
    }
  });

  it('with the syntax of a line that holds a secret shows no secret', () => {
    assert.throws(
      () => read('upstream.host = [{ host = "h", proxy = "http://u:s3cret@p:1 }]\n'),
      (error: Error) => !error.message.includes('s3cret') && !String(error.cause).includes('s3cret'),
    );
  });
});

describe('a reload', () => {
  const changes = [
    ['listen = "127.0.0.1:1"', ['listen']],
    ['data = "/elsewhere"', ['data']],
    ['[log]\nformat = "text"', ['log.format']],
    ['[facts]\nurl_file = "a"', ['facts']],
    ['[tls]\ncertificate = "a"\nkey = "b"', ['tls']],
    ['[log]\nlevel = "debug"\n[cache]\nmax_size = "1GiB"\n[upstream]\noffline = true', []],
  ] as const;
  for (const [text, kept] of changes) {
    it(`of ${JSON.stringify(text)} keeps ${kept.join() || 'nothing'} until a restart`, () => {
      assert.deepEqual(keptUntilRestart(server(''), server(text)), kept);
      assert.deepEqual(keptUntilRestart(server(text), server(text)), []);
    });
  }

  it('takes other files of [tls] at once', () => {
    const files = (name: string) => server(`[tls]\ncertificate = "${name}"\nkey = "b"`);
    assert.deepEqual(keptUntilRestart(files('one'), files('two')), []);
  });
});
