/** The pages with settings against the program: the example of configuration.md is the defaults, and no example is wrong. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { readOverrides } from '../../../src/config/overrides.ts';
import { readServerToml } from '../../../src/config/server-toml.ts';

const page = readFileSync(new URL('../../../docs/configuration.md', import.meta.url), 'utf8');
const example = /```toml\n(.*?)```/s.exec(page)?.[1] ?? '';

function read(text: string) {
  return readServerToml({ file: 'entrepot.toml', text }, '/srv');
}

describe('docs/configuration.md', () => {
  it('shows the defaults', () => {
    assert.notEqual(example, '');
    const { server, problems } = read(example);
    assert.deepEqual(problems, []);
    assert.deepEqual(server, readServerToml(undefined, '/srv').server);
  });

  it('shows as an example, and not as a default, exactly what `check` knows no default of', () => {
    const { settings } = read(example);
    const none = settings.filter(({ value }) => value === null).map(({ key }) => key.split('.').at(-1));
    // One that excludes another stands beside it.
    for (const key of none) assert.match(example, new RegExp(`(?:^#|# or) ${key} = `, 'm'), key);
  });

  it('gives examples that are right, of everything that has no default', () => {
    const { server, problems } = read(example.replaceAll(/^# /gm, ''));
    assert.deepEqual(problems, []);
    assert.deepEqual([server.upstream.hosts.length, server.cache.quotas.length], [3, 1]);
    assert.deepEqual([server.cache.pins.length, server.freshness.rules.length], [1, 1]);
  });

  const tables = [
    '',
    '[log]',
    '[limits]',
    '[tls]',
    '[routing]',
    '[upstream]',
    '[[upstream.host]]',
    '[[upstream.host]]\n[upstream.host.token]',
    '[transfer]',
    '[cache]',
    '[[cache.quota]]',
    '[[cache.pin]]',
    '[freshness]',
    '[[freshness.rule]]',
    '[access]',
    '[[access.rule]]',
    '[[access.oidc]]',
    '[[access.issuer]]',
    '[[push]]',
    '[[sync]]',
    '[events]',
    '[[events.in]]',
    '[[events.out]]',
    '[[gate]]\nkind = "signature"',
    '[[gate]]\nkind = "scanner"',
  ];
  for (const table of tables) {
    it(`leaves out no key of ${table || 'the top level'}`, () => {
      const [problem] = read(`${table}\nqqqqqqqqqqqqqqqq = 1`).problems.filter(({ message }) =>
        message.includes('qqqq'),
      );
      const keys = problem?.message.split('known there are ')[1]?.split(', ') ?? [];
      assert.notEqual(keys.length, 0);
      const all = example.replaceAll(/^# /gm, '');
      const missing = keys.filter(
        (key) => !new RegExp(`^(?:${key} = |\\[{1,2}(?:\\w+\\.)*${key}(?:\\.\\w+)*\\])`, 'm').test(all),
      );
      assert.deepEqual(missing, []);
    });
  }

  it('leaves out no variable', () => {
    const overrides = readOverrides({}, { ENTREPOT_QQQQQQQQQQQQQQQQQQQQ: 'x' }, '/');
    readServerToml(undefined, '/', overrides);
    const [warning] = overrides.unknownVariables();
    const variables = warning?.message.split('known are ')[1]?.split(', ') ?? [];
    assert.ok(variables.length >= 8);
    assert.deepEqual(
      variables.filter((name) => !page.includes(`\`${name}\``)),
      [],
    );
  });
});

describe('the examples of entrepot.toml', () => {
  for (const name of ['access.md', 'gates.md', 'geo.md', 'push.md']) {
    it(`are right in docs/${name}`, () => {
      const text = readFileSync(new URL(`../../../docs/${name}`, import.meta.url), 'utf8');
      const examples = [...text.matchAll(/```toml\n(.*?)```/gs)]
        .map(([, block = '']) => block)
        .filter((block) => /^\[\[?(?:access|gate|push|sync)[\].]/m.test(block));
      assert.notEqual(examples.length, 0);
      for (const block of examples) assert.deepEqual(read(block).problems, [], block);
    });
  }
});
