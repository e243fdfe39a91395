/** What each format says of a registries.conf, and what it warns of. Round trips are in `round-trip.test.ts`. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { parseMirrorAddress } from '../../../../src/config/render/mirror-address.ts';
import type { RenderOptions } from '../../../../src/config/render/render.ts';
import { renderFormats } from '../../../../src/config/render/rendered.ts';
import { onlyText, rendered, warned, withoutComments } from '../../../support/rendering.ts';

const registry = (location: string, ...more: readonly string[]) =>
  ['[[registry]]', `location = "${location}"`, ...more, ''].join('\n');
const mirror = (location: string, ...more: readonly string[]) =>
  ['[[registry.mirror]]', `location = "${location}"`, ...more].join('\n');
const plain = parseMirrorAddress('http://e.corp:5000');

describe('every format', () => {
  const conf = registry('quay.io', mirror('m.corp/quay')) + registry('docker.io', mirror('m.corp:5000'));

  it('gives the same bytes for the same input, and says where they come from', (t) => {
    for (const format of renderFormats) {
      const first = rendered(t, format, { conf, mirrorOf: plain });
      const texts = (one: typeof first) => one.files.map(({ path, text }) => [path, withoutComments(text)]);
      assert.deepEqual(texts(rendered(t, format, { conf, mirrorOf: plain })), texts(first));
      assert.ok(first.files.length > 0, format);
      for (const { text } of format === 'daemon.json' ? [] : first.files) {
        assert.match(
          text,
          new RegExp(
            `^# Written by "entrepot render ${format}": .*\n# Mirror: http://e.corp:5000.*\n# From: /`,
          ),
        );
      }
    }
  });

  it('has nothing but the images that are asked for', (t) => {
    const only = ['quay.io/team/app', 'quay.io/team/app'];
    const texts = renderFormats.map((format) => rendered(t, format, { conf, only, mirrorOf: plain }));
    assert.deepEqual(
      texts.flatMap(({ files }) => files).filter(({ text }) => /docker\.io/.test(withoutComments(text))),
      [],
    );
    assert.match(onlyText(texts[0]!), /location = "e\.corp:5000\/quay\.io\/team\/app"/);
    assert.deepEqual(warned(rendered(t, 'registries.conf', { conf, only: ['ghcr.io/x'] })), [
      'ghcr.io/x - only',
    ]);
  });
});

describe('hosts.toml', () => {
  it('asks mirrors in order, the path behind /v2, insecure ones by both schemes, and the source at last', (t) => {
    const conf = `[[registry]]\nprefix = "quay.io"\nlocation = "hub.corp/quay"\n${mirror('m1.corp/q')}\n${mirror('m2.corp:5000', 'insecure = true')}\n`;
    const { files, warnings } = rendered(t, 'hosts.toml', { conf });
    assert.deepEqual(warnings, []);
    assert.deepEqual(
      files.map(({ path, text }) => [path, withoutComments(text)]),
      [
        [
          'certs.d/quay.io/hosts.toml',
          `server = "https://hub.corp/v2/quay"
capabilities = ["pull", "resolve"]
override_path = true

[host."https://m1.corp/v2/q"]
  capabilities = ["pull", "resolve"]
  override_path = true

[host."https://m2.corp:5000"]
  capabilities = ["pull", "resolve"]
  skip_verify = true

[host."http://m2.corp:5000"]
  capabilities = ["pull", "resolve"]
`,
        ],
      ],
    );
  });

  const textOf = (t: TestContext, conf: string, options: RenderOptions = {}) =>
    rendered(t, 'hosts.toml', { conf, ...options })
      .files.map(({ text }) => withoutComments(text))
      .join('');

  it('never asks a blocked source: the last mirror stands for it, and without one nothing can be pulled', (t) => {
    const conf = `${registry('a.io', 'blocked = true')}${mirror('m1.corp')}\n${mirror('m2.corp')}\n`;
    const both = 'capabilities = ["pull", "resolve"]\n';
    const [first, last] = ['m1.corp', 'm2.corp'].map((host) => `[host."https://${host}"]\n  ${both}`);
    assert.equal(textOf(t, conf), `server = "https://m2.corp"\n${both}\n${first}`);
    assert.equal(
      textOf(t, conf.replace(/\[\[registry\.mirror\]\]\nlocation = "m1.*\n/, '')),
      `server = "https://m2.corp"\n${both}\n${last}`,
    );
    const nothing =
      'server = "https://a.io"\ncapabilities = ["push"]\n\n[host."https://a.io"]\n  capabilities = ["push"]\n';
    assert.equal(textOf(t, registry('a.io', 'blocked = true')), nothing);
  });

  it('has one table for a mirror that is there for digests and for tags', (t) => {
    const twice = (serves: string) => `${mirror('m.corp', `pull-from-mirror = "${serves}"`)}\n`;
    const conf = registry('a.io', '') + twice('digest-only') + twice('tag-only');
    assert.equal(textOf(t, conf), '[host."https://m.corp"]\n  capabilities = ["pull", "resolve"]\n');
    assert.deepEqual(warned(rendered(t, 'hosts.toml', { conf })), []);
  });

  it('finds Docker Hub at the host of its API', (t) => {
    const conf = '[[registry]]\nprefix = "a.io"\nlocation = "docker.io/copies"\n';
    assert.match(
      textOf(t, conf),
      /^server = "https:\/\/registry-1\.docker\.io\/v2\/copies"\n.*\noverride_path = true\n/,
    );
  });

  it('has the CA and the port of an Entrepot, for a registry with a port too', (t) => {
    const mirrorOf = parseMirrorAddress('e.corp:5443', { ca: '/etc/ca.crt' });
    const { files, warnings } = rendered(t, 'hosts.toml', { conf: registry('reg.corp:5000'), mirrorOf });
    assert.deepEqual(warnings, []);
    assert.deepEqual(
      files.map(({ path, text }) => [path, withoutComments(text)]),
      [
        [
          'certs.d/reg.corp:5000/hosts.toml',
          '[host."https://e.corp:5443"]\n  capabilities = ["pull", "resolve"]\n  ca = "/etc/ca.crt"\n',
        ],
      ],
    );
  });
});

/** `FORMAT: ENTRY MIRROR KEY`, for what each format cannot say. */
describe('a warning', () => {
  const rows: readonly (readonly [string, string, readonly string[], RenderOptions?])[] = [
    [
      'a wildcard',
      '[[registry]]\nprefix = "*.corp"\nblocked = true\n',
      [
        'idms: *.corp - blocked',
        'hosts.toml: *.corp - prefix',
        'registries.yaml: *.corp - prefix',
        'daemon.json: *.corp - prefix',
      ],
    ],
    [
      'another location',
      '[[registry]]\nprefix = "a.io"\nlocation = "b.io"\n',
      ['idms: a.io - location', 'registries.yaml: a.io - location', 'daemon.json: a.io - location'],
    ],
    [
      'a mirror for digests alone',
      registry('docker.io') + mirror('m.io', 'pull-from-mirror = "digest-only"'),
      [
        'hosts.toml: docker.io m.io pull-from-mirror',
        'registries.yaml: docker.io m.io pull-from-mirror',
        'daemon.json: docker.io m.io pull-from-mirror',
      ],
    ],
    [
      'a mirror for tags alone',
      registry('docker.io') + mirror('m.io', 'pull-from-mirror = "tag-only"'),
      [
        'idms: docker.io m.io pull-from-mirror',
        'hosts.toml: docker.io m.io pull-from-mirror',
        'registries.yaml: docker.io m.io pull-from-mirror',
        'daemon.json: docker.io m.io pull-from-mirror',
      ],
    ],
    [
      'a mirror with a path',
      registry('docker.io') + mirror('m.io/p'),
      ['idms: docker.io m.io/p pull-from-mirror', 'daemon.json: docker.io m.io/p location'],
    ],
    [
      'a mirror of a registry other than Docker Hub',
      registry('a.io') + mirror('m.io'),
      ['idms: a.io m.io pull-from-mirror', 'daemon.json: a.io m.io mirrors'],
    ],
    [
      'an insecure mirror',
      registry('docker.io') + mirror('m.io', 'insecure = true'),
      ['idms: docker.io m.io pull-from-mirror', 'idms: docker.io m.io insecure'],
    ],
    [
      'a part that differs',
      `${registry('docker.io')}${mirror('m.io')}\n${registry('docker.io/x')}${mirror('n.io/y')}\n`,
      [
        'idms: docker.io m.io pull-from-mirror',
        'idms: docker.io/x n.io/y pull-from-mirror',
        'hosts.toml: docker.io/x - mirrors',
        'registries.yaml: docker.io/x - mirrors',
        'daemon.json: docker.io/x - mirrors',
      ],
    ],
    [
      'a part that is blocked',
      `${registry('docker.io')}${registry('docker.io/x', 'blocked = true')}`,
      [
        'idms: docker.io/x - blocked',
        'hosts.toml: docker.io/x - blocked',
        'registries.yaml: docker.io/x - blocked',
        'daemon.json: docker.io/x - blocked',
      ],
    ],
    [
      'a part without mirrors',
      `${registry('docker.io')}${mirror('m.io')}\n${registry('docker.io/x')}`,
      [
        'idms: docker.io m.io pull-from-mirror',
        'idms: docker.io/x - mirrors',
        'hosts.toml: docker.io/x - mirrors',
        'registries.yaml: docker.io/x - mirrors',
        'daemon.json: docker.io/x - mirrors',
      ],
    ],
    [
      'a namespace proxy',
      registry('docker.io') + mirror('m.io', 'namespace-proxy = "a.io"'),
      [
        'idms: docker.io m.io pull-from-mirror',
        'idms: docker.io m.io namespace-proxy',
        'hosts.toml: docker.io m.io namespace-proxy',
        'registries.yaml: docker.io m.io namespace-proxy',
        'daemon.json: docker.io m.io namespace-proxy',
      ],
    ],
    [
      'short names and helpers',
      'unqualified-search-registries = ["a.io"]\ncredential-helpers = ["pass"]\n',
      [
        'idms: - - unqualified-search-registries',
        'idms: - - credential-helpers',
        'hosts.toml: - - unqualified-search-registries',
        'hosts.toml: - - credential-helpers',
        'registries.yaml: - - unqualified-search-registries',
        'registries.yaml: - - credential-helpers',
        'daemon.json: - - unqualified-search-registries',
        'daemon.json: - - credential-helpers',
      ],
    ],
    [
      'a sealed Docker Hub',
      registry('docker.io'),
      [
        'idms: - e.corp:5000 pull-from-mirror',
        'idms: - e.corp:5000 insecure',
        'registries.yaml: docker.io - blocked',
        'daemon.json: docker.io - blocked',
      ],
      { mirrorOf: plain, sealed: true },
    ],
    [
      'a registry with a port behind Entrepot',
      registry('r.io:5000'),
      [
        'registries.conf: r.io:5000 e.corp:5000 location',
        'idms: - e.corp:5000 pull-from-mirror',
        'idms: - e.corp:5000 insecure',
        'idms: r.io:5000 e.corp:5000 location',
        'daemon.json: r.io:5000 e.corp:5000 mirrors',
      ],
      { mirrorOf: plain },
    ],
    [
      'a CA',
      registry('docker.io'),
      [
        'registries.conf: - e.corp --ca',
        'idms: - e.corp --ca',
        'idms: - e.corp pull-from-mirror',
        'daemon.json: - e.corp --ca',
      ],
      { mirrorOf: parseMirrorAddress('e.corp', { ca: '/ca.crt' }) },
    ],
  ];
  for (const [what, conf, expected, options] of rows) {
    it(`names ${what} where the format cannot say it`, (t) => {
      const formats = ['registries.conf', 'idms', 'hosts.toml', 'registries.yaml', 'daemon.json'] as const;
      const found = formats.flatMap((format) =>
        warned(rendered(t, format, { conf, ...options })).map((text) => `${format}: ${text}`),
      );
      assert.deepEqual(found, expected);
    });
  }
});

describe('with an Entrepot as the mirror', () => {
  it('a registry with a port has its name of [routing], and what is pushed has no source', (t) => {
    const settings = `[routing]
names = { "reg-corp" = "r.io:5000" }
hosts = { "hub.corp" = "h.io" }
[[push]]
match = "images.local/team/**"
mode = "local"
`;
    const { warnings, files } = rendered(t, 'registries.conf', {
      conf: registry('r.io:5000'),
      settings,
      mirrorOf: plain,
    });
    assert.deepEqual(warnings, []);
    const entry = (prefix: string, name: string, ...more: readonly string[]) =>
      `${registry(prefix, ...more)}\n${mirror(`e.corp:5000/${name}`, 'insecure = true')}\n`;
    assert.equal(
      withoutComments(files[0]!.text),
      [
        entry('h.io', 'h.io'),
        entry('images.local/team', 'images.local/team', 'blocked = true'),
        entry('r.io:5000', 'reg-corp'),
      ].join('\n'),
    );
  });

  it('Docker is warned of a default registry that is not Docker Hub', (t) => {
    const input = {
      conf: registry('docker.io'),
      settings: '[routing]\ndefault_registry = "a.io"\n',
      mirrorOf: plain,
    };
    assert.ok(
      warned(rendered(t, 'daemon.json', input)).includes('docker.io e.corp:5000 routing.default_registry'),
    );
  });
});

describe('registries.yaml', () => {
  it('has a path of all mirrors as a rewrite, and several paths with a warning', (t) => {
    const conf = `${registry('a.io')}${mirror('m1.corp/q')}\n${mirror('m2.corp/q', 'insecure = true')}\n`;
    assert.equal(
      onlyText(rendered(t, 'registries.yaml', { conf })),
      `mirrors:
  "a.io":
    endpoint:
      - "https://m1.corp"
      - "https://m2.corp"
      - "http://m2.corp"
    rewrite:
      "^(.*)$": "q/\${1}"
configs:
  "m2.corp":
    tls:
      insecure_skip_verify: true
`,
    );
    const others = rendered(t, 'registries.yaml', { conf: `${conf}${mirror('m3.corp')}` });
    assert.deepEqual(warned(others), ['a.io - location']);
    assert.match(onlyText(others), /"https:\/\/m1\.corp\/v2\/q"/);
    assert.doesNotMatch(onlyText(others), /rewrite/);
  });

  it('has no other source that would be asked for the names of the mirrors', (t) => {
    const whole = `[[registry]]\nlocation = "a.io"\ninsecure = true\n${mirror('m.corp')}\n`;
    const listed = rendered(t, 'registries.yaml', { conf: whole });
    assert.match(onlyText(listed), /"http:\/\/a\.io"/);
    const conf = `${whole}${registry('a.io/x')}${mirror('m.corp/z')}\n`;
    const rewritten = rendered(t, 'registries.yaml', { conf });
    assert.doesNotMatch(onlyText(rewritten), /"https?:\/\/a\.io"/);
    assert.ok(warned(rewritten).includes('a.io - mirrors'));
  });

  it('rewrites the path of a part of a registry, if no other part needs another', (t) => {
    const part = (prefix: string, to: string) => `${registry(prefix)}${mirror(to)}\n`;
    const conf = part('a.io/x.y', 'm.corp/z') + part('a.io/w', 'm.corp/w');
    assert.equal(
      onlyText(rendered(t, 'registries.yaml', { conf })),
      `mirrors:
  "a.io":
    endpoint:
      - "https://m.corp"
    rewrite:
      "^x\\\\.y(/.*)?$": "z\${1}"
`,
    );
    const nested = conf + part('a.io/x.y/deep', 'm.corp/deep');
    assert.ok(
      warned(rendered(t, 'registries.yaml', { conf: nested })).some((text) => text.endsWith('mirrors')),
    );
  });
});
