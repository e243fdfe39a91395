/** Two sites: what is pushed to the first is told to the second, whose copy of the tag is then no longer taken for fresh. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { startApp } from '../support/app.ts';
import { eventually } from '../support/eventually.ts';
import { get } from '../support/http-client.ts';
import { insecureRegistry } from '../support/mirrored-registry.ts';
import { image, rules, secret, startWithSink } from '../support/sink-app.ts';
import { tempFolder } from '../support/temp-folder.ts';

describe('two sites', () => {
  it('a push to the first is a job at the second, and its next pull of the tag is the new image', async (t) => {
    const first = await startWithSink(t);
    const host = new URL(first.app.url).host;
    const folder = tempFolder(t);
    writeFileSync(join(folder, 'secret'), secret);
    const sender = `[[events.in]]\nname = "first"\nformat = "distribution"\nsecret_file = "secret"\nregistry = "${host}"\n`;
    const second = await startApp(t, {
      folder,
      registries: insecureRegistry(host),
      toml: `${sender}[freshness]\ntag = "24h"\n`,
    });
    const pull = async () =>
      (await get(`${second.url}/v2/${host}/${image}/manifests/1`)).headers['docker-content-digest'];
    const sink = `[[events.out]]\nname = "second"\nurl = "${second.url}/events/first"\nformat = "distribution"\nsecret_file = "secret"\n`;
    await first.app.reload({ toml: rules + sink });

    const old = await first.push('1', 'config', 'one');
    assert.equal(await pull(), old);
    const fresh = await first.push('1', 'config', 'two');
    const { app } = second;
    await eventually('the second site was told of both', async () => {
      const all = await app.jobs.list({ limit: 100 });
      return all.some(({ key }) => key === `${host}/${image}:1`);
    });
    await eventually('it serves the new image', async () => (await pull()) === fresh);
    const log = first.app.log.filter(({ event }) => event === 'events.failed');
    assert.deepEqual(log, []);
  });
});
