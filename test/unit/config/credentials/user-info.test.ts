import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { withoutQuotedUserInfo, withoutUserInfo } from '../../../../src/config/credentials/user-info.ts';
import { startApp } from '../../../support/app.ts';
import { get } from '../../../support/http-client.ts';
import { runEntrepot } from '../../../support/processes.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

describe('user info', () => {
  it('is taken out of a value, whatever is in the password, and a digest is none', () => {
    assert.equal(withoutUserInfo('joe:hunter2@ex.io/app'), '***@ex.io/app');
    assert.equal(withoutUserInfo('https://joe:hunter2@ex.io'), 'https://***@ex.io');
    assert.equal(withoutUserInfo('joe:hun/t@er"2@ex.io'), '***@ex.io');
    for (const plain of ['ex.io:5000/app', `ex.io/app@sha256:${'0'.repeat(64)}`, '*.ex.io']) {
      assert.equal(withoutUserInfo(plain), plain);
    }
  });

  it('is taken out of every value of a text, which keeps its length', () => {
    for (const [text, expected] of [
      ['a "joe:hunter2@ex.io" and "b"', 'a "***********@ex.io" and "b"'],
      ["location = 'joe:hunter2@ex.io'", "location = '***********@ex.io'"],
      ['location = joe:hunter2@ex.io', 'location = ***********@ex.io'],
      ['x = "https://joe:hunter2@ex.io', 'x = "https://***********@ex.io'],
      ['x = "joe:hun\'ter2@ex.io"', 'x = "************@ex.io"'],
    ] as const) {
      assert.equal(withoutQuotedUserInfo(text), expected);
      assert.equal(expected.length, text.length);
    }
    const digest = `"ex.io/app@sha256:${'0'.repeat(64)}"`;
    assert.equal(withoutQuotedUserInfo(digest), digest);
  });
});

/** Every place where a host is written, with a password before it. */
const registriesConf = [
  '[[registry]]\nprefix = "ex.io"\nlocation = "joe:hunter2@ex.io"\n',
  '[[registry]]\nlocation = "ex.io"\n[[registry.mirror]]\nlocation = "joe:hunter2@m.io"\n',
  '[[registry]]\nlocation = "https://joe:hunter2@ex.io"\n',
  '[[registry]]\nprefix = "joe:hunter2@ex.io"\nlocation = "ex.io"\n',
  '[[registry]]\nlocation = "joe:hunter2@ex.io"\nblocked = true\n[[registry]]\nlocation = "joe:hunter2@ex.io"\n',
  '[[registry]]\nlocation = joe:hunter2@ex.io\n',
  '[[registry]]\nlocation = "joe:hunter2@ex.io\n',
  'unqualified-search-registries = ["joe:hunter2@ex.io"]\n',
  '[aliases]\n"a" = "joe:hunter2@ex.io/a"\n',
  '[[registry]]\nlocation = "ex.io"\nmirror-by-digest-only = true\n[[registry.mirror]]\nlocation = "joe:hunter2@m.io"\npull-from-mirror = "all"\n',
];
const entrepotToml = [
  'listen = "joe:hunter2@ex.io:80"\n',
  '[routing]\ndefault_registry = "joe:hunter2@ex.io"\nhosts = { "joe:hunter2@ex.io" = "docker.io" }\n',
  '[upstream]\ntoken_realms = ["joe:hunter2@ex.io"]\n',
  '[[upstream.host]]\nhost = "joe:hunter2@ex.io"\n',
  '[[cache.pin]]\nmatch = "https://joe:hunter2@ex.io/**"\n',
];

describe('a password in the configuration', () => {
  const check = async (folder: string, command: readonly string[]) => {
    const { stdout, stderr } = await runEntrepot([...command, '--registries', 'r.conf'], { cwd: folder });
    return stdout + stderr;
  };
  const cases = [
    ...registriesConf.map((conf) => [conf, ''] as const),
    ...entrepotToml.map((toml) => ['[[registry]]\nlocation = "ex.io"\n', toml] as const),
  ];
  for (const [conf, toml] of cases) {
    it(`is told by no command: ${JSON.stringify(toml || conf)}`, async (t) => {
      const folder = tempFolder(t);
      mkdirSync(join(folder, 'data'));
      writeFileSync(join(folder, 'r.conf'), conf);
      writeFileSync(join(folder, 'entrepot.toml'), toml);
      for (const command of [
        ['check'],
        ['check', '--json'],
        ['explain', 'ex.io/app'],
        ['explain', 'ex.io/app', '--json'],
      ]) {
        const said = await check(folder, command);
        assert.notEqual(said, '');
        assert.doesNotMatch(said, /hunter2/, command.join(' '));
      }
    });
  }

  it('is told to no client, and to no log', async (t) => {
    const proxy = await startApp(t, { registries: registriesConf[0] ?? '' });
    const answer = await get(`${proxy.url}/v2/ex.io/app/manifests/1`);
    assert.equal(answer.status, 400);
    assert.doesNotMatch(answer.body.toString() + JSON.stringify(proxy.log), /hunter2/);
  });
});
