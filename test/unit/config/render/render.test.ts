/** What each format says of a registries.conf, and what it warns of. Round trips are in `round-trip.test.ts`. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseMirrorAddress } from '../../../../src/config/render/mirror-address.ts';
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
});
