import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { openAccessWarnings } from '../../../src/config/access-warnings.ts';
import { readServerToml } from '../../../src/config/server-toml.ts';

const read = (text: string) => readServerToml({ file: 'e.toml', text }, '/etc/entrepot');
const problems = (text: string) => read(text).problems.map(({ located }) => located);

describe('[access]', () => {
  it('lets every client pull and nothing else, unless it says so', () => {
    const { access, push } = read('').server;
    assert.deepEqual(access, {
      anonymous: ['pull'],
      htpasswd: undefined,
      tokenKey: undefined,
      realm: undefined,
      oidc: [],
      issuers: [],
      rules: [],
    });
    assert.deepEqual(push, []);
    assert.deepEqual(read('[access]\nanonymous = []\n').server.access.anonymous, []);
  });

  it('reads rules, issuers and paths from the working folder', () => {
    const { server, problems: found } = read(`[access]
htpasswd = "users"
realm = "https://me.corp/token"
[[access.rule]]
who = ["ci", "group:x", "cn=node-*"]
match = "docker.io/team/**"
may = ["pull", "push"]
[[access.oidc]]
issuer = "https://login.corp"
audience = "entrepot"
[[access.issuer]]
issuer = "omnibus-gitlab-issuer"
audience = "container_registry"
match = "registry.gitlab.corp/**"
keys = "gitlab.pem"
`);
    assert.deepEqual(found, []);
    assert.deepEqual(server.access, {
      anonymous: ['pull'],
      htpasswd: '/etc/entrepot/users',
      tokenKey: undefined,
      realm: 'https://me.corp/token',
      oidc: [{ issuer: 'https://login.corp', audience: 'entrepot', name: 'sub', groups: 'groups' }],
      issuers: [
        {
          issuer: 'omnibus-gitlab-issuer',
          audience: 'container_registry',
          keys: '/etc/entrepot/gitlab.pem',
          match: 'registry.gitlab.corp/**',
        },
      ],
      rules: [
        { who: ['ci', 'group:x', 'cn=node-*'], match: 'docker.io/team/**', may: ['pull', 'push'], line: 4 },
      ],
    });
  });

  it('says of each wrong value what it must be, with its line', () => {
    assert.match(
      problems('[access]\nanonymous = ["fly"]\n')[0] ?? '',
      /^e\.toml:2: .*"pull", "push", "delete" or "administer", not "fly"/,
    );
    assert.match(
      problems('[access]\nanonymos = []\n')[0] ?? '',
      /^e\.toml:2: unknown key "anonymos".*did you mean anonymous/,
    );
    const rule = problems('[[access.rule]]\nmatch = "x/**"\n').join('\n');
    assert.match(rule, /an access rule needs who/);
    assert.match(rule, /an access rule needs may/);
    assert.equal(problems('[[access.rule]]\nwho = ["a"]\nmay = ["pull"]\n').length, 1, 'match is missing');
  });

  it('takes nothing that could leave the quotes of a challenge', () => {
    for (const realm of ['https://x/\\"', 'https://x/\\n', 'https://u:p@x/', 'ftp://x/', 'x'])
      assert.equal(problems(`[access]\nrealm = "${realm}"\n`).length, 1, realm);
    const issuer = (audience: string) =>
      `[[access.issuer]]\nissuer = "a"\naudience = "${audience}"\nkeys = "k"\n`;
    assert.equal(problems(issuer('a\\"b')).length, 1);
    assert.equal(problems(issuer('a\\nb')).length, 1);
    assert.equal(problems(issuer('container registry')).length, 0);
  });
});

describe('rights of clients without an account', () => {
  const warn = (toml: string) =>
    openAccessWarnings(read(toml).server, 'e.toml').map(({ line, message }) => `${line}: ${message}`);
  const rule = '[[access.rule]]\nwho = ["anonymous"]\nmatch = "**"\nmay = ["delete"]\n';

  it('to change something are warned about, unless only this machine can use them', () => {
    assert.match(
      warn(`listen = "0.0.0.0:5000"\n${rule}`)[0] ?? '',
      /^2: every machine that reaches 0\.0\.0\.0 may delete without an account/,
    );
    assert.match(
      warn('listen = "[::]:5000"\n[access]\nanonymous = ["push", "administer"]\n')[0] ?? '',
      /may push, administer/,
    );
    for (const host of ['127.0.0.1', '[::1]', 'localhost'])
      assert.deepEqual(warn(`listen = "${host}:5000"\n${rule}`), []);
    assert.deepEqual(warn('listen = "0.0.0.0:5000"\n'), [], 'pulling is the default');
  });
});
