import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createMetrics } from '../../../src/telemetry/metrics.ts';

describe('metrics', () => {
  it('count what they are told', async () => {
    const metrics = createMetrics();
    metrics.answered({ kind: 'blob', status: 206, cache: 'joined', bytes: 10, seconds: 0.2 });
    metrics.asked({ host: 'm1.corp', outcome: 'unreachable', seconds: 3 });
    metrics.received('m1.corp', 7);
    metrics.transferRead('joined');
    metrics.transferEnded('stored');
    metrics.evicted(5);
    const text = await metrics.render();
    for (const line of [
      'entrepot_requests_total{kind="blob",cache="joined",status="206"} 1',
      'entrepot_sent_bytes_total{kind="blob"} 10',
      'entrepot_request_duration_seconds_count{kind="blob"} 1',
      'entrepot_upstream_requests_total{host="m1.corp",outcome="unreachable"} 1',
      'entrepot_upstream_headers_seconds_sum{host="m1.corp"} 3',
      'entrepot_upstream_received_bytes_total{host="m1.corp"} 7',
      'entrepot_transfer_reads_total{how="joined"} 1',
      'entrepot_transfers_total{how="stored"} 1',
      'entrepot_cache_evicted_bytes_total 5',
    ]) {
      assert.ok(text.includes(line), line);
    }
  });

  it('read a state when they are scraped, not before', async () => {
    const metrics = createMetrics();
    let inFlight = 1;
    let open = true;
    metrics.watch({
      transfersInFlight: () => inFlight,
      breakers: () => (open ? [{ host: 'm1.corp', isOpen: true }] : []),
    });
    inFlight = 2;
    const text = await metrics.render();
    assert.match(text, /entrepot_transfers_in_flight 2/);
    assert.match(text, /breaker_open\{host="m1\.corp"\} 1/);
    assert.doesNotMatch(text, /entrepot_cache_bytes/);
    open = false;
    assert.doesNotMatch(await metrics.render(), /breaker_open\{/);
  });

  it('of two programs in one process are apart', async () => {
    const one = createMetrics();
    one.evicted(1);
    assert.match(await createMetrics().render(), /entrepot_cache_evicted_bytes_total 0/);
  });
});
