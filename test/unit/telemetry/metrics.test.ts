import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createMetrics } from '../../../src/telemetry/metrics.ts';
import type { HostState } from '../../../src/telemetry/states.ts';

describe('metrics', () => {
  it('count what they are told', async () => {
    const metrics = createMetrics();
    metrics.answered({ kind: 'blob', status: 206, cache: 'joined', bytes: 10, end: 'failed', seconds: 0.2 });
    metrics.asked({ host: 'm1.corp', outcome: 'unreachable', seconds: 3 });
    metrics.received('m1.corp', 7);
    metrics.transferRead('joined');
    metrics.transferEnded('stored');
    metrics.faulted('m1.corp', 'invalid');
    metrics.evicted(5);
    metrics.evicted(3);
    metrics.damageFound('content');
    metrics.scrubbed(3);
    metrics.scrubDamaged('lost');
    const text = await metrics.render();
    for (const line of [
      'entrepot_requests_total{kind="blob",cache="joined",status="206"} 1',
      'entrepot_sent_bytes_total{kind="blob"} 10',
      'entrepot_incomplete_answers_total{kind="blob",end="failed"} 1',
      'entrepot_request_duration_seconds_count{kind="blob"} 1',
      'entrepot_upstream_requests_total{host="m1.corp",outcome="unreachable"} 1',
      'entrepot_upstream_headers_seconds_sum{host="m1.corp"} 3',
      'entrepot_upstream_received_bytes_total{host="m1.corp"} 7',
      'entrepot_transfer_reads_total{how="joined"} 1',
      'entrepot_transfers_total{how="stored"} 1',
      'entrepot_upstream_faults_total{host="m1.corp",fault="invalid"} 1',
      'entrepot_cache_evictions_total 2',
      'entrepot_cache_evicted_bytes_total 8',
      'entrepot_cache_damage_total{what="content"} 1',
      'entrepot_scrub_read_bytes_total 3',
      'entrepot_scrub_damaged_total{how="repaired"} 0',
      'entrepot_scrub_damaged_total{how="lost"} 1',
    ]) {
      assert.ok(text.includes(line), line);
    }
  });

  it('count from 0 what an alert waits for, since a first event that is a first sample is no increase', async () => {
    const text = await createMetrics().render();
    for (const line of [
      'entrepot_incomplete_answers_total{kind="blob",end="failed"} 0',
      'entrepot_transfers_total{how="relayed"} 0',
      'entrepot_transfers_total{how="failed"} 0',
      'entrepot_transfer_reads_total{how="joined"} 0',
      'entrepot_cache_damage_total{what="content"} 0',
      'entrepot_cache_damage_total{what="index"} 0',
    ]) {
      assert.ok(text.includes(line), line);
    }
  });

  it('tell whether the configuration that was read last is in force, and since when one is', async () => {
    const metrics = createMetrics();
    metrics.configured(1700000000);
    metrics.configured(undefined);
    const text = await metrics.render();
    assert.match(text, /^entrepot_config_last_reload_successful 0$/m);
    assert.match(text, /^entrepot_config_last_reload_success_timestamp_seconds 1700000000$/m);
    metrics.configured(1700000001);
    assert.match(await metrics.render(), /^entrepot_config_last_reload_successful 1$/m);
  });

  it('read a state when they are scraped, not before', async () => {
    const metrics = createMetrics();
    let inFlight = 1;
    let hosts: HostState[] = [
      { host: 'm1.corp', isOpen: true, cooling: 1.5, limit: 100, remaining: 7 },
      { host: 'm2.corp', isOpen: false, cooling: 0, limit: undefined, remaining: undefined },
    ];
    metrics.watch({ transfersInFlight: () => inFlight, hosts: () => hosts });
    inFlight = 2;
    const text = await metrics.render();
    assert.match(text, /entrepot_transfers_in_flight 2/);
    assert.deepEqual(
      text.split('\n').filter((line) => line.startsWith('entrepot_upstream')),
      [
        'entrepot_upstream_breaker_open{host="m1.corp"} 1',
        'entrepot_upstream_breaker_open{host="m2.corp"} 0',
        'entrepot_upstream_cooling_seconds{host="m1.corp"} 1.5',
        'entrepot_upstream_cooling_seconds{host="m2.corp"} 0',
        'entrepot_upstream_requests_limit{host="m1.corp"} 100',
        'entrepot_upstream_requests_remaining{host="m1.corp"} 7',
      ],
    );
    assert.doesNotMatch(text, /entrepot_cache_bytes/);
    hosts = [];
    assert.doesNotMatch(await metrics.render(), /breaker_open\{/);
  });

  it('show the room that there is, and that each quota has', async () => {
    const metrics = createMetrics();
    const totals = {
      bytes: 10,
      contents: 4,
      manifests: 1,
      hosted: { bytes: 6, contents: 2 },
      reserved: 2,
      maxSize: undefined,
    };
    metrics.watch({
      cache: () => ({ ...totals, quotas: [{ match: 'quay.io/**', bytes: 3, maxSize: 5 }] }),
      uploads: () => ({ uploads: 1, bytes: 7 }),
      disk: () => ({ free: 40, size: 100, minFree: 20 }),
    });
    const text = await metrics.render();
    for (const line of [
      'entrepot_cache_bytes 10',
      'entrepot_cache_limit_bytes 0',
      'entrepot_hosted_bytes 6',
      'entrepot_hosted_contents 2',
      'entrepot_uploads 1',
      'entrepot_uploads_bytes 7',
      'entrepot_cache_reserved_bytes 2',
      'entrepot_cache_contents 4',
      'entrepot_cache_manifests 1',
      'entrepot_cache_quota_bytes{match="quay.io/**"} 3',
      'entrepot_cache_quota_limit_bytes{match="quay.io/**"} 5',
      'entrepot_disk_free_bytes 40',
      'entrepot_disk_size_bytes 100',
      'entrepot_disk_min_free_bytes 20',
    ]) {
      assert.ok(text.split('\n').includes(line), line);
    }
  });

  it('leave out a state that cannot be read, say so, and show the rest', async () => {
    const faults: unknown[] = [];
    const metrics = createMetrics({ onUnreadable: (fault) => faults.push(fault) });
    const totals = {
      bytes: 10,
      contents: 4,
      manifests: 1,
      hosted: { bytes: 6, contents: 2 },
      reserved: 2,
      maxSize: 50,
      quotas: [],
    };
    let isBroken = false;
    metrics.watch({
      cache() {
        if (isBroken) throw new Error('disk I/O error');
        return totals;
      },
      transfersInFlight: () => 2,
    });
    assert.match(await metrics.render(), /^entrepot_cache_bytes 10$/m);
    isBroken = true;
    const text = await metrics.render();
    assert.doesNotMatch(text, /^entrepot_cache_bytes /m);
    assert.match(text, /^entrepot_transfers_in_flight 2$/m);
    assert.equal(faults.length, 1);
  });

  it('of two programs in one process are apart', async () => {
    const one = createMetrics();
    one.evicted(1);
    assert.match(await createMetrics().render(), /entrepot_cache_evicted_bytes_total 0/);
  });
});
