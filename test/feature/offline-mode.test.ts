/** `upstream.offline`: nothing asks a registry, and everything that rests says why. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { startApp } from '../support/app.ts';
import { createManualClock } from '../support/clock.ts';
import { eventually } from '../support/eventually.ts';
import { startFakeRegistry } from '../support/fake-registry.ts';
import { get } from '../support/http-client.ts';
import { buildImage } from '../support/images.ts';
import { insecureRegistry } from '../support/mirrored-registry.ts';

describe('a server that is offline by its configuration', () => {
  it('says so when it is asked whether it is ready, in its metrics and in its jobs, which go on when it is online', async (t) => {
    const registry = await startFakeRegistry();
    t.after(() => registry.stop());
    registry.putImage('team/app', '1', buildImage());
    const clock = createManualClock();
    const block = `[[sync]]\nname = "app"\nsource = "${registry.host}/team/app"\nevery = "6h"\n`;
    const toml = `[upstream]\noffline = true\n${block}`;
    const app = await startApp(t, { registries: insecureRegistry(registry.host), toml }, { clock });
    const body = async (path: string) => (await get(`${app.url}${path}`)).body.toString();
    assert.equal(await body('/readyz'), 'ready, offline: upstream.offline is set\n');
    assert.match(await body('/metrics'), /^entrepot_upstream_offline 1$/m);
    const job = async () => (await app.app.jobs.list({ kind: 'sync', limit: 10 }))[0];
    await clock.armed();
    await clock.advance(60_000);
    await eventually('the job rests', async () => (await job())?.reason?.includes('offline') === true);
    assert.match((await job())?.reason ?? '', /upstream\.offline in entrepot\.toml.*: no registry is asked/);
    assert.deepEqual(registry.requests, []);
    await app.reload({ toml: block });
    assert.equal(await body('/readyz'), 'ready\n');
    assert.match(await body('/metrics'), /^entrepot_upstream_offline 0$/m);
    await clock.advance(60_000);
    await eventually('the job is done', async () => (await job())?.state === 'done');
  });
});
