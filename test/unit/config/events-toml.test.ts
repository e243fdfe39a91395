import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readServerToml } from '../../../src/config/server-toml.ts';

function read(text: string) {
  return readServerToml({ file: 'entrepot.toml', text }, '/srv');
}

const needed = `name = "gitlab"
format = "distribution"
secret_file = "gitlab.secret"
registry = "registry.corp:5050"`;

function problemsOf(lines: string) {
  return read(`[[events.in]]\n${lines}\n`).problems.map(({ line, message }) => `${line}: ${message}`);
}

describe('[[events.in]]', () => {
  it('has defaults for all but name, format, secret_file and registry', () => {
    const { server, problems } = read(`[[events.in]]\n${needed}`);
    assert.deepEqual(problems, []);
    assert.deepEqual(server.eventSenders, [
      {
        name: 'gitlab',
        format: 'distribution',
        secretFile: '/srv/gitlab.secret',
        registry: 'registry.corp:5050',
        match: '**',
        signatureHeader: 'x-hub-signature-256',
        secretInPath: false,
      },
    ]);
  });

  it('takes every key, and the other names of Docker Hub', () => {
    const { server, problems } = read(`[[events.in]]
      name = "hub"
      format = "dockerhub"
      secret_file = "/run/secrets/hub"
      registry = "registry-1.docker.io"
      match = "docker.io/team/**"
      signature_header = "X-Registry-Signature"
      secret_in_path = true`);
    assert.deepEqual(problems, []);
    assert.deepEqual(server.eventSenders, [
      {
        name: 'hub',
        format: 'dockerhub',
        secretFile: '/run/secrets/hub',
        registry: 'docker.io',
        match: 'docker.io/team/**',
        signatureHeader: 'x-registry-signature',
        secretInPath: true,
      },
    ]);
  });

  it('needs a name, a format, a secret and a registry', () => {
    const missing = problemsOf('match = "**"');
    for (const key of ['name', 'format', 'secret_file', 'registry'])
      assert.ok(
        missing.some((problem) => problem.includes(`events.in.${key}`) || problem.includes(key)),
        key,
      );
    assert.deepEqual(read('[[events.in]]\nmatch = "**"').server.eventSenders, []);
  });

  it('says what is wrong with a key, with its line', () => {
    for (const [wrong, message] of [
      ['name = "../admin"', /events\.in\.name must be a name of at most 64/],
      ['format = "gitea"', /events\.in\.format must be "distribution", .* or "quay", not "gitea"/],
      ['registry = "https://registry.corp"', /events\.in\.registry must be a registry as HOST or HOST:PORT/],
      ['match = "registry.corp/{a"', /events\.in\.match must be a pattern/],
      ['signature_header = "X: y"', /events\.in\.signature_header must be the name of a header/],
      ['secret = "hunter2"', /unknown key "secret" .*secret_file/],
      ['secret_in_path = "yes"', /events\.in\.secret_in_path must be true or false/],
    ] as const) {
      const key = wrong.split(' ')[0];
      const lines = [...needed.split('\n').filter((line) => !line.startsWith(`${key} `)), wrong];
      const [problem, ...others] = problemsOf(lines.join('\n'));
      assert.match(problem ?? '', message);
      assert.deepEqual(others, [], wrong);
      assert.match(problem ?? '', new RegExp(`^${lines.length + 1}: `));
      assert.doesNotMatch(problem ?? '', /hunter2/);
    }
  });

  it('refuses two of one name', () => {
    const { problems, server } = read(`[[events.in]]\n${needed}\n[[events.in]]\n${needed}`);
    assert.deepEqual(
      problems.map(({ line, message }) => `${line}: ${message}`),
      ['7: events.in.name "gitlab" is the name of another [[events.in]], too: each needs its own'],
    );
    assert.equal(server.eventSenders.length, 2);
  });
});
