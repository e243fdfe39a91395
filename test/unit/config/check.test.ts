import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { checkConfig } from '../../../src/config/check.ts';
import { createCertificateAuthority, expired } from '../../support/certificates.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const auths = (entries: object) => JSON.stringify({ auths: entries });

/** Checks a machine with these files; `work/r.conf`, where it is given, is the only registries.conf. */
function check(t: TestContext, files: Record<string, string>, env: Record<string, string> = {}) {
  const folder = tempFolder(t);
  for (const name of ['work', 'home', 'root']) mkdirSync(join(folder, name));
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    if (content === 'DIRECTORY') mkdirSync(join(folder, name));
    else writeFileSync(join(folder, name), content);
    if (name.startsWith('bin/')) chmodSync(join(folder, name), 0o755);
  }
  const flags = 'work/r.conf' in files ? { registries: 'r.conf' } : {};
  const result = checkConfig({
    flags,
    env: { PATH: join(folder, 'bin'), ...env },
    home: join(folder, 'home'),
    cwd: join(folder, 'work'),
    root: join(folder, 'root'),
    uid: 0,
  });
  const short = (text: string) => text.replaceAll(`${folder}/`, '');
  return {
    errors: result.errors.map((error) => `${error.code} ${short(error.located)}`),
    warnings: result.warnings.map(({ file, line, message }) =>
      short(`${file}${line ? `:${line}` : ''}: ${message}`),
    ),
    files: result.files.map(short),
  };
}

function assertOne(found: readonly string[], expected: RegExp): void {
  assert.equal(found.length, 1, found.join('\n'));
  assert.match(found[0]!, expected);
}

describe('checkConfig', () => {
  it('finds nothing wrong with nothing', (t) => {
    assert.deepEqual(check(t, {}), { errors: [], warnings: [], files: [] });
  });

  it('names every file that takes part', (t) => {
    const authority = createCertificateAuthority();
    const { errors, warnings, files } = check(t, {
      'work/r.conf': '[[registry]]\nlocation = "h.io"\n[[registry.mirror]]\nlocation = "m.corp:5000/x"\n',
      'work/entrepot.toml':
        '[routing]\ndefault_registry = "h.io"\n[upstream]\nca_file = "ca.pem"\n[[upstream.host]]\nhost = "m.corp:5000"\nusername = "u"\npassword_file = "secret"\n',
      'work/ca.pem': authority.cert,
      'work/secret': 'p\n',
      'home/.docker/config.json': auths({ 'h.io': { auth: 'dTpw' } }),
      'root/etc/docker/certs.d/m.corp:5000/ca.crt': authority.cert,
      'root/etc/docker/certs.d/other.corp/a.cert': 'of no interest',
    });
    assert.deepEqual([errors, warnings], [[], []]);
    assert.deepEqual(files, [
      'work/r.conf',
      'work/entrepot.toml',
      'home/.docker/config.json',
      'work/secret',
      'work/ca.pem',
      'root/etc/docker/certs.d/m.corp:5000',
    ]);
  });

  it('reads the files of [tls], and warns of a certificate that has expired', (t) => {
    const authority = createCertificateAuthority();
    const { cert, key } = authority.issue(expired());
    const toml = '[tls]\ncertificate = "tls.crt"\nkey = "tls.key"\nclient_ca = "ca.crt"\n';
    const files = {
      'work/entrepot.toml': toml,
      'work/tls.crt': cert,
      'work/tls.key': key,
      'work/ca.crt': authority.cert,
    };
    const { errors, warnings, files: read } = check(t, files);
    assert.deepEqual(errors, []);
    assertOne(warnings, /^work\/tls\.crt: the certificate expired on /);
    assert.deepEqual(read, ['work/entrepot.toml', 'work/tls.crt', 'work/tls.key', 'work/ca.crt']);
    const other = check(t, { ...files, 'work/tls.key': authority.issue().key });
    assertOne(other.errors, /^TLS_UNUSABLE work\/tls\.crt: .*another key/);
  });

  it('goes on after an error', (t) => {
    const { errors } = check(t, {
      'work/r.conf': '[registry]\n',
      'work/entrepot.toml': 'lisen = 1\ndata = 2\n',
      'home/.docker/config.json': '{',
      'home/.config/containers/auth.json': 'DIRECTORY',
    });
    assert.equal(errors.length, 5);
    assert.match(
      errors.join('\n'),
      /r\.conf:1.*toml:1.*toml:2.*auth\.json: is a directory.*config\.json:1: /s,
    );
  });

  it('goes on after an entrepot.toml that is no TOML', (t) => {
    const { errors } = check(t, { 'work/entrepot.toml': 'listen =', 'home/.docker/config.json': '' });
    assert.match(errors.join('\n'), /entrepot\.toml:1.*config\.json:1: the file is empty/s);
  });

  it('warns of entries in auth files that cannot be used', (t) => {
    const { errors, warnings } = check(t, { 'home/.docker/config.json': auths({ 'h.io': { auth: '!' } }) });
    assert.deepEqual(errors, []);
    assertOne(warnings, /config\.json: auths "h\.io".*base64/);
  });

  it('misses the file of REGISTRY_AUTH_FILE', (t) => {
    const { errors } = check(t, {}, { REGISTRY_AUTH_FILE: '/nowhere/auth.json' });
    assertOne(errors, /^CREDENTIALS_UNUSABLE \/nowhere\/auth\.json: .*REGISTRY_AUTH_FILE/);
  });

  it('misses the program of a credential helper: an error where all depends on it, else a warning', (t) => {
    const { errors, warnings } = check(t, {
      'work/r.conf':
        'credential-helpers = ["containers-auth.json", "there", "absent"]\n[[registry]]\nlocation = "h.io"\n',
      'home/.docker/config.json':
        '{"credHelpers": {"h.io": "gone", "g.io": "there", "f.io": "../x"}, "credsStore": "lost"}',
      'bin/docker-credential-there': '#!/bin/sh\n',
    });
    assertOne(errors, /^CREDENTIALS_UNUSABLE .*docker-credential-absent/);
    assert.equal(warnings.length, 3);
    assert.match(warnings[0]!, /config\.json: credHelpers "h\.io".*docker-credential-gone/);
    assert.match(warnings[1]!, /credHelpers "f\.io".*"\.\.\/x"/);
    assert.match(warnings[2]!, /config\.json: credsStore is not used: .*docker-credential-lost/);
  });

  it('looks into certs.d for every host that is named, and for no other', (t) => {
    const broken = (host: string) => [`root/etc/containers/certs.d/${host}/a.cert`, ''] as const;
    const { errors } = check(t, {
      'work/r.conf':
        '[[registry]]\nprefix = "*.wild.io"\n[[registry]]\nprefix = "p.io"\nlocation = "source.io/x"\n[[registry.mirror]]\nlocation = "mirror.io:80"\n',
      ...Object.fromEntries(['source.io', 'mirror.io:80', 'p.io', '*.wild.io'].map(broken)),
    });
    assert.equal(errors.length, 2);
    assert.match(
      errors.join('\n'),
      /TLS_UNUSABLE root\/etc\/containers\/certs\.d\/mirror\.io:80\/a\.cert.*source\.io\/a\.cert/s,
    );
  });

  it('tells every file of [tls] that is missing', (t) => {
    const toml = '[tls]\ncertificate = "a.crt"\nkey = "a.key"\nclient_ca = "ca.crt"\n';
    const { errors } = check(t, { 'work/entrepot.toml': toml });
    assert.deepEqual(
      errors.map((error) => error.split(': ', 1)[0]),
      ['a.crt', 'a.key', 'ca.crt'].map((name) => `TLS_UNUSABLE work/${name}`),
    );
  });

  it('reads the secrets and CAs that entrepot.toml names', (t) => {
    const { errors } = check(t, {
      'work/entrepot.toml':
        '[upstream]\nca_file = "ca.pem"\n[[upstream.host]]\nhost = "docker.io"\nidentity_token_file = "none"\n[[upstream.host]]\nhost = "quay.io"\nusername = "u"\npassword_file = "empty"\n',
      'work/ca.pem': 'no certificate',
      'work/empty': '',
    });
    const [absent = '', empty = '', ca = '', ...others] = errors;
    assert.match(
      absent,
      /^CREDENTIALS_UNUSABLE work\/entrepot\.toml:5: upstream\.host\.identity_token_file names work\/none: there is no such file/,
    );
    assert.match(
      empty,
      /^CREDENTIALS_UNUSABLE work\/entrepot\.toml:9: upstream\.host\.password_file names work\/empty: the file is empty/,
    );
    assert.match(ca, /^TLS_UNUSABLE work\/ca\.pem: /);
    assert.deepEqual(others, []);
  });

  it('reads the secret of a cluster, and wants it long', (t) => {
    const { errors } = check(t, {
      'work/entrepot.toml': '[cluster]\ndns = "entrepot-peers:5000"\nsecret_file = "short"\n',
      'work/short': 'fifteen letters',
    });
    assert.match(
      errors.join(),
      /^CREDENTIALS_UNUSABLE [^,]*the secret of a cluster needs 16 characters or more/,
    );
    assert.doesNotMatch(errors.join(), /fifteen letters/);
  });

  it('reads the URL of the facts', (t) => {
    const { errors } = check(t, { 'work/entrepot.toml': '[facts]\nurl_file = "none"\n' });
    assert.match(errors.join('\n'), /facts\.url_file names work\/none: there is no such file/);
  });

  it('reads the secrets and CAs of buckets', (t) => {
    const { errors, files } = check(t, {
      'work/entrepot.toml':
        '[[store]]\nname = "a"\nkind = "s3"\nbucket = "images"\nca_file = "ca.pem"\naccess_key_file = "id"\nsecret_key_file = "none"\n[[store]]\nname = "b"\nkind = "azure"\naccount = "corp"\ncontainer = "images"\nsas_file = "empty"\n',
      'work/ca.pem': 'no certificate',
      'work/id': 'AK',
      'work/empty': '',
    });
    const [absent = '', empty = '', ca = '', ...others] = errors;
    assert.match(absent, /entrepot\.toml:7: store\.secret_key_file names work\/none: there is no such file/);
    assert.match(empty, /entrepot\.toml:13: store\.sas_file names work\/empty: the file is empty/);
    assert.match(ca, /^TLS_UNUSABLE work\/ca\.pem: .*ca_file of \[\[store\]\] "a"/);
    assert.deepEqual(others, []);
    assert.ok(files.some((file) => file.endsWith('work/id')));
  });

  it('reads the keys that sign tokens', (t) => {
    const { cert, key } = createCertificateAuthority().issue();
    const table = (name: string) =>
      `[[upstream.host]]\nhost = "${name}.corp"\ntoken = { key_file = "${name}", issuer = "gitlab" }\n`;
    const { errors, files } = check(t, {
      'work/entrepot.toml': ['good', 'none', 'cert'].map(table).join(''),
      'work/good': key,
      'work/cert': cert,
    });
    assert.deepEqual(files, ['work/entrepot.toml', 'work/good']);
    assert.match(
      errors.join('\n'),
      /^CREDENTIALS_UNUSABLE work\/entrepot\.toml:6: upstream\.host\.token\.key_file names work\/none: there is no such file.*\nCREDENTIALS_UNUSABLE work\/entrepot\.toml:9: upstream\.host\.token\.key_file names work\/cert: the file has a certificate/,
    );
  });

  it('reads the key that signs URLs of CloudFront', (t) => {
    const { errors } = check(t, {
      'work/entrepot.toml': `[[store]]
name = "eu"
kind = "s3"
bucket = "images"
region = "eu-central-1"
cloudfront = { url = "https://d1.cloudfront.net", key_pair_id = "K", private_key_file = "none.pem" }
redirect = { networks = ["10.0.0.0/8"], seconds = 600 }
`,
    });
    assert.match(errors.join('\n'), /private_key_file names work\/none\.pem: there is no such file/);
  });

  it('warns of names in entrepot.toml that lead nowhere', (t) => {
    const registries = '[[registry]]\nlocation = "h.io/team"\n[[registry]]\nprefix = "*.wild.io"\n';
    const toml =
      '[routing]\nhosts = { "a.corp" = "h.io", "b.corp" = "x.wild.io", "c.corp" = "gone.io" }\nnames = { n = "wild.io" }\n[[upstream.host]]\nhost = "h.io"\n[[upstream.host]]\nhost = "typo.io"\n';
    const { warnings } = check(t, { 'work/r.conf': registries, 'work/entrepot.toml': toml });
    assert.equal(warnings.length, 4);
    assert.match(
      warnings.join('\n'),
      /default_registry is docker\.io.*"c\.corp" is gone\.io.*names "n" is wild\.io.*upstream\.host\]\] typo\.io/s,
    );
    const direct = toml.replace('[routing]', '[routing]\nunlisted = "direct"');
    assert.deepEqual(check(t, { 'work/r.conf': registries, 'work/entrepot.toml': direct }).warnings, []);
  });

  it('warns of scopes of a policy that are one tag: clients go on by digest', (t) => {
    const accepting = [{ type: 'insecureAcceptAnything' }];
    const scopes = [
      '',
      'a.corp',
      'a.corp:5000',
      'a.corp:5000/team',
      'a.corp:5000/team/app:1',
      `a.corp/app@sha256:${'0'.repeat(64)}`,
      '*.corp',
    ];
    const docker = Object.fromEntries(scopes.map((scope) => [scope, accepting]));
    const gate = (name: string) =>
      `[[gate]]\nname = "${name}"\nkind = "signature"\npolicy = "policy.json"\nregistries_d = "d"\n`;
    const { warnings } = check(t, {
      'work/r.conf': '[[registry]]\nlocation = "a.corp"\n',
      'work/policy.json': JSON.stringify({ default: [{ type: 'reject' }], transports: { docker } }),
      'work/entrepot.toml': `${gate('one')}match = "a.corp/**"\n${gate('two')}`,
    });
    const told = warnings.filter((warning) => warning.includes('transports'));
    assert.equal(told.length, 1, warnings.join('\n'));
    assert.match(told[0]!, /docker\["a\.corp:5000\/team\/app:1"\].* "a\.corp:5000\/team\/app" decides/);
  });

  it('takes no host for a wrong one that a peer, a sink, a scanner or an issuer is at', (t) => {
    const names = ['peer.corp:5000', 'sink.corp', 'scanner.corp:8443', 'issuer.corp'];
    const { warnings } = check(t, {
      'work/r.conf': '[[registry]]\nlocation = "docker.io"\n',
      'work/entrepot.toml': `${names.map((host) => `[[upstream.host]]\nhost = "${host}"\n`).join('')}
[cluster]
peers = ["https://self.corp", "https://peer.corp:5000"]
self = "https://self.corp"
[[events.out]]
name = "sink"
url = "https://sink.corp/events"
format = "cloudevents"
[[gate]]
name = "scan"
kind = "scanner"
url = "https://scanner.corp:8443/verdict"
fail = "closed"
[[access.oidc]]
issuer = "https://issuer.corp/realm"
audience = "entrepot"
`,
    });
    assert.deepEqual(
      warnings.filter((warning) => warning.includes('[[upstream.host]]')),
      [],
    );
  });
});
