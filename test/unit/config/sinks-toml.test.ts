/** `[[events.out]]` of entrepot.toml: what is read, and what is refused with its line. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readServerToml } from '../../../src/config/server-toml.ts';
import { shownSinkUrl } from '../../../src/config/sinks-toml.ts';

function read(text: string) {
  return readServerToml({ file: 'entrepot.toml', text }, '/srv');
}

function problemsOf(
  lines: string,
  start = 'name = "a"\nurl = "https://a.test/hook"\nformat = "cloudevents"',
) {
  return read(`[[events.out]]\n${start}\n${lines}\n`).problems.map(
    ({ line, message }) => `${line}: ${message}`,
  );
}

describe('[[events.out]]', () => {
  it('needs a name, a URL and a format', () => {
    const { server, problems } = read(
      '[events]\npublic_url = "https://e.test/"\n[[events.out]]\nname = "a"\nurl = "https://a.test/hook"\nformat = "distribution"',
    );
    assert.deepEqual(problems, []);
    assert.equal(server.publicUrl, 'https://e.test');
    assert.deepEqual(server.eventSinks, [
      {
        name: 'a',
        url: 'https://a.test/hook',
        format: 'distribution',
        on: ['push', 'delete'],
        secretFile: undefined,
        match: '**',
        timeout: 10_000,
      },
    ]);
    assert.equal(read('[[events.out]]\n').problems.length, 3);
  });

  it('takes all its keys', () => {
    const { server, problems } = read(`
      [[events.out]]
      name = "a"
      url = "http://10.0.0.1:8080/hook?key=1"
      format = "cloudevents"
      secret_file = "secret"
      on = ["push", "tag", "delete", "synced", "damaged", "quota", "push"]
      match = "docker.io/team/**"
      timeout = "2s"`);
    assert.deepEqual(problems, []);
    const [{ secretFile, on, match, timeout } = assert.fail()] = server.eventSinks;
    assert.deepEqual([secretFile, match, timeout], ['/srv/secret', 'docker.io/team/**', 2000]);
    assert.deepEqual(on, ['push', 'tag', 'delete', 'synced', 'damaged', 'quota']);
  });

  const refused: readonly (readonly [lines: string, problem: RegExp])[] = [
    ['on = ["push", "pushed"]', /^5: each item of events.out.on must be "push", "tag", /],
    ['on = []', /^5: events.out.on is empty/],
    ['onn = ["push"]', /^5: unknown key "onn" in \[\[events.out\]\]: did you mean on\?$/],
    ['match = "docker.io/{a"', /^5: events.out.match must be a pattern/],
    ['timeout = "0s"', /^5: events.out.timeout must be/],
    [
      '[[events.out]]\nname = "a"\nurl = "https://b.test"\nformat = "cloudevents"',
      /^6: events.out.name "a" is the name of another/,
    ],
  ];
  for (const [lines, problem] of refused) {
    it(`refuses ${lines.replaceAll('\n', ' ')}`, () => {
      const [only = '', ...others] = problemsOf(lines);
      assert.match(only, problem);
      assert.deepEqual(others, []);
    });
  }

  for (const url of ['ftp://a.test/x', 'https://key:pass@a.test/x', 'a.test/x', 'https://a.test/a b']) {
    it(`refuses the URL ${url}, and does not repeat it`, () => {
      const [only = ''] = problemsOf('', `name = "a"\nurl = "${url}"\nformat = "cloudevents"`);
      assert.match(only, /^3: events.out.url must be a URL .*without user info/);
      assert.doesNotMatch(only, /a\.test|pass/);
    });
  }

  it('refuses kinds that distribution has no action for', () => {
    const start = 'name = "a"\nurl = "https://a.test"\nformat = "distribution"';
    assert.deepEqual(problemsOf('on = ["push", "synced"]', start), [
      '5: events.out.on: "synced" has no form in the format "distribution", which knows push and delete: use format = "cloudevents"',
    ]);
  });

  it('is shown without path and query, which may hold a secret', () => {
    const { settings } = read(
      '[[events.out]]\nname = "a"\nurl = "https://a.test/T0/key?x=1"\nformat = "cloudevents"',
    );
    assert.equal(settings.find(({ key }) => key === 'events.out[0].url')?.value, 'https://a.test/...');
    assert.equal(shownSinkUrl('http://a.test:8080/'), 'http://a.test:8080');
  });
});
