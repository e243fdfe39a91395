import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readOverrides } from '../../../src/config/overrides.ts';
import { readServerToml } from '../../../src/config/server-toml.ts';

function read(text: string, env: Record<string, string> = {}) {
  const source = { file: 'entrepot.toml', text };
  const { server, problems } = readServerToml(source, '/srv', readOverrides({}, env, '/srv'));
  return { cluster: server.cluster, problems: problems.map(({ message, line }) => `${line}: ${message}`) };
}

describe('[cluster]', () => {
  it('is none without peers and dns', () => {
    assert.deepEqual(read('[cluster]\nkeep = "owner"'), { cluster: undefined, problems: [] });
    assert.deepEqual(read('', { ENTREPOT_CLUSTER_SELF: '10.0.0.1' }).cluster, undefined);
  });

  it('names the replicas, which of them this one is, and the secret', () => {
    const text = `[cluster]
      peers = ["https://e1.corp:5000", "https://E2.corp"]
      self = "https://e2.corp/"
      secret_file = "secret"
      keep = "owner"`;
    assert.deepEqual(read(text), {
      cluster: {
        peers: ['https://e1.corp:5000', 'https://e2.corp'],
        dns: undefined,
        self: 'https://e2.corp',
        secretFile: '/srv/secret',
        keep: 'owner',
      },
      problems: [],
    });
  });

  it('takes the address that Kubernetes gives a pod for its own name', () => {
    const text = '[cluster]\ndns = "entrepot-peers:5000"\nsecret_file = "s"';
    const self = (value: string, more = '') =>
      read(`${text}\n${more}`, { ENTREPOT_CLUSTER_SELF: value }).cluster?.self;
    assert.equal(self('10.1.2.3'), 'http://10.1.2.3:5000');
    assert.equal(self('10.1.2.3:5001'), 'http://10.1.2.3:5001');
    assert.equal(self('fd00::1'), 'http://[fd00::1]:5000');
    assert.equal(self('10.1.2.3', '[tls]\ncertificate = "c"\nkey = "k"'), 'https://10.1.2.3:5000');
  });

  const wrong: readonly (readonly [string, RegExp])[] = [
    [
      'peers = ["https://e1:5000/v2"]\nsecret_file = "s"',
      /each item of cluster.peers must be the URL of a replica/,
    ],
    ['peers = ["https://u:p@e1:5000"]\nsecret_file = "s"', /each item of cluster.peers/],
    ['peers = ["https://e1:5000"]\nsecret_file = "s"', /cluster.peers needs cluster.self/],
    [
      'peers = ["https://e1:5000"]\nself = "https://e2:5000"\nsecret_file = "s"',
      /cluster.peers does not have cluster.self/,
    ],
    [
      'peers = ["https://e1:5000"]\nself = "https://e1:5000"\ndns = "e:1"\nsecret_file = "s"',
      /exclude each other/,
    ],
    ['dns = "entrepot-peers"\nsecret_file = "s"', /a name in DNS with a port/],
    ['dns = "entrepot-headless.entrepot.svc.cluster.local"\nsecret_file = "s"', /a name in DNS with a port/],
    ['dns = "entrepot-peers:99999"\nsecret_file = "s"', /a name in DNS with a port/],
    ['dns = "entrepot-peers:5000"', /no replica can prove that it is one/],
    ['secret_file = "s"', /needs cluster.peers or cluster.dns/],
    ['dns = "e:5000"\nkeep = "some"\nsecret_file = "s"', /"all" or "owner"/],
  ];
  for (const [text, problem] of wrong) {
    it(`refuses ${text.replaceAll('\n', ', ')}`, () => {
      const { problems } = read(`[cluster]\n${text}`);
      assert.match(problems.join('\n'), problem);
    });
  }

  it('needs no secret where clients have certificates', () => {
    const tls = '[tls]\ncertificate = "c"\nkey = "k"\nclient_ca = "ca"\n';
    assert.deepEqual(read(`${tls}[cluster]\ndns = "entrepot-peers:5000"`).problems, []);
  });
});
