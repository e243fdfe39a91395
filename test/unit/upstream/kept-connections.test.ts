import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createManualClock } from '../../support/clock.ts';
import { holdHeaders } from '../../support/fake-registry-faults.ts';
import { startForgetfulNat } from '../../support/forgetful-nat.ts';
import { gate } from '../../support/gate.ts';
import { buildImage } from '../../support/images.ts';
import { type AskingOptions, good, hostConfig, image, stage } from './asking.ts';

const app = buildImage({ layers: [1000] });

describe('a kept connection', () => {
  const { stops, start, ask } = stage(app);

  async function behindNat(settings: AskingOptions['upstream'] = {}) {
    const registry = await start();
    const nat = await startForgetfulNat(registry.port);
    stops.push(nat.stop);
    const clock = createManualClock();
    const hosts = settings.hosts?.map((host) => ({ ...host, host: nat.host }));
    const upstream = ask([{ host: nat.host }], {
      upstream: { ...settings, ...(hosts && { hosts }) },
      deps: { clock },
    });
    good(await upstream.getManifest(image()));
    return { registry, nat, clock, upstream };
  }

  it('that gives no sign of life is left for a new one after three seconds', async () => {
    const { nat, clock, upstream } = await behindNat();
    const before = nat.forwarded();
    nat.forget();
    const answer = upstream.getManifest(image());
    await clock.armed(3000);
    await clock.advance(3000);
    good(await answer);
    assert.equal(nat.forwarded(), before + 1);
  });

  it('is left, too, where the connections of the host are counted', async () => {
    const { nat, clock, upstream } = await behindNat({ hosts: [hostConfig('nat', { maxConnections: 1 })] });
    nat.forget();
    const answer = upstream.getManifest(image());
    await clock.armed(3000);
    await clock.advance(3000);
    good(await answer);
    good(await upstream.getManifest(image()));
  });

  it('of a host whose answers take long keeps its request, and is doubted later from then on', async () => {
    const { registry, clock, upstream } = await behindNat();
    const hold = gate();
    const second = gate();
    registry.on({ kind: 'manifest', nth: 1 }, holdHeaders(hold));
    registry.on({ kind: 'manifest', nth: 1 }, holdHeaders(second));
    const answer = upstream.getManifest(image());
    await hold.arrived;
    await clock.advance(3000);
    await second.arrived;
    await clock.advance(1000);
    hold.release();
    good(await answer);

    const later = gate();
    registry.on({ kind: 'manifest' }, holdHeaders(later));
    const slow = upstream.getManifest(image());
    await later.arrived;
    await clock.advance(7999);
    assert.equal(
      registry.count({ kind: 'manifest' }),
      4,
      'the first pull, two tries of the second, this one',
    );
    later.release();
    good(await slow);
  });

  it('and all others of its host are left when a silent one made its caller give up', async () => {
    const { nat, clock, upstream } = await behindNat();
    const before = nat.forwarded();
    nat.forget();
    const leaves = new AbortController();
    const given = upstream.getManifest(image(), { signal: leaves.signal });
    await clock.armed(3000);
    await clock.advance(1000);
    leaves.abort();
    await assert.rejects(given);
    good(await upstream.getManifest(image()));
    assert.equal(nat.forwarded(), before + 1);
  });
});
