/** `entrepot sync --from`: a file of another tool becomes blocks that `entrepot check` accepts. */
import assert from 'node:assert/strict';
import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { it, type TestContext } from 'node:test';
import { runCommand } from '../support/commands.ts';
import { tempFolder } from '../support/temp-folder.ts';

const existing = '[[sync]]\nname = "library-alpine"\nsource = "docker.io/library/alpine"\n';

function place(t: TestContext, files: Readonly<Record<string, string>>) {
  const folder = tempFolder(t);
  const data = join(folder, 'data');
  const usual = { 'registries.conf': '[[registry]]\nlocation = "docker.io"\n', 'entrepot.toml': existing };
  for (const [name, text] of Object.entries({ ...usual, ...files })) writeFileSync(join(folder, name), text);
  return { folder, data, file: (name: string) => join(folder, name) };
}

const skopeo =
  'docker.io:\n  images:\n    alpine: ["3.20"]\nquay.io:\n  tls-verify: false\n  images: {team/app: []}\n';

it('prints blocks that fit behind those of entrepot.toml, and warns beside them', async (t) => {
  const at = place(t, { 'sync.yml': skopeo });
  const file = at.file('sync.yml');
  const { code, stdout, stderr } = await runCommand(at, 'sync', '--from', file);
  assert.equal(code, 0, stderr);
  assert.equal(
    stdout,
    `# ${file}:3
[[sync]]
name = "library-alpine-2"
source = "docker.io/library/alpine"
tags = { include = ["3.20"] }
referrers = "none"

# ${file}:6
[[sync]]
name = "team-app"
source = "quay.io/team/app"
referrers = "none"
`,
  );
  assert.deepEqual(stderr.split('\n').slice(0, -2), [
    `${file}:5: warning: tls-verify of quay.io: set insecure = true in its [[registry]] of registries.conf`,
    'registries.conf: warning: lists no registry quay.io: add [[registry]] with location = "quay.io", or nothing of it can be brought',
  ]);
  appendFileSync(at.file('entrepot.toml'), stdout);
  const checked = await runCommand(at, 'check', '--json');
  assert.equal(checked.code, 0);
  assert.deepEqual(
    checked.json.syncs.map(({ name }: { name: string }) => name),
    ['library-alpine', 'library-alpine-2', 'team-app'],
  );
});

it('prints the same as JSON, warnings included', async (t) => {
  const at = place(t, { 'sync.yml': skopeo });
  const { code, json, stderr } = await runCommand(at, 'sync', '--json', '--from', at.file('sync.yml'));
  assert.deepEqual([code, stderr], [0, '']);
  assert.deepEqual([json.tool, json.unlisted, json.warnings.length], ['skopeo', ['quay.io'], 2]);
  assert.deepEqual(
    json.blocks.map(({ name, source, line }: Record<string, unknown>) => [name, source, line]),
    [
      ['library-alpine-2', 'docker.io/library/alpine', 3],
      ['team-app', 'quay.io/team/app', 6],
    ],
  );
});

it('ends with 3 where some entries have no block, with 1 where none has one, and with 2 for other files', async (t) => {
  const registry = '  - {source: quay.io, type: registry, repos: {deny: [a]}}\n';
  const at = place(t, {
    'some.yml': `sync:\n${registry}  - {source: "alpine:3", type: image}\n`,
    'none.yml': `sync:\n${registry}`,
    'other.yml': 'a: b\n',
  });
  for (const [name, expected] of [
    ['some.yml', 3],
    ['none.yml', 1],
    ['other.yml', 2],
    ['missing.yml', 2],
  ] as const) {
    const { code, stderr } = await runCommand(at, 'sync', '--from', at.file(name));
    assert.equal(code, expected, stderr);
    assert.ok(stderr.includes(name), stderr);
  }
  const { code, stderr } = await runCommand(at, 'sync', '--dry-run', '--from', at.file('some.yml'));
  assert.deepEqual([code, /--from takes no NAME and no --dry-run/.test(stderr)], [2, true]);
});
