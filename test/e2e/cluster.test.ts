/**
 * A cluster of four processes, each on a machine of its own (a network namespace), before a registry that is slow, while machines lose each
 * other, an owner is killed, and all are restarted one after the other (docs/cluster.md).
 */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it, type TestContext } from 'node:test';
import { ranked } from '../../src/cluster/ownership.ts';
import { shardOf } from '../../src/cluster/shards.ts';
import type { Digest } from '../../src/oci/digest.ts';
import type { Repository } from '../../src/oci/reference.ts';
import { type Blob, generateBlob } from '../support/byte-source.ts';
import { entry, startRegistry } from '../support/endpoints.ts';
import { eventually } from '../support/eventually.ts';
import type { FakeRegistry } from '../support/fake-registry.ts';
import { latency, stallAfter } from '../support/fake-registry-faults.ts';
import { gate } from '../support/gate.ts';
import { get, open } from '../support/http-client.ts';
import { mainFile, type RunningProcess, startProcess } from '../support/processes.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { hasNamespaces } from './support/equipment.ts';
import { networkPrograms, type ReplicaNetwork, startReplicaNetwork } from './support/replica-network.ts';

const MiB = 1024 * 1024;
const port = 5000;
const machines = 4;

interface Machine {
  /** `host:port`, as the cluster knows it. */
  readonly id: string;
  readonly index: number;
  readonly url: string;
  process: RunningProcess;
  restart(): Promise<void>;
}

/** Of all tests. */
let running: ReplicaNetwork | undefined;

/** Undefined where the test is skipped. */
function networkFor(t: TestContext): ReplicaNetwork | undefined {
  if (!hasNamespaces(t, networkPrograms)) return undefined;
  running ??= startReplicaNetwork(machines);
  return running;
}

async function startMachines(t: TestContext, net: ReplicaNetwork) {
  const registry = await startRegistry(t, { address: net.here });
  const peers = JSON.stringify(net.addresses.map((address) => `http://${address}:${port}`));
  const all = await Promise.all(
    net.addresses.map(async (address, index): Promise<Machine> => {
      const folder = tempFolder(t);
      mkdirSync(join(folder, 'data'));
      writeFileSync(join(folder, 'secret'), 'a secret of four machines');
      writeFileSync(join(folder, 'registries.conf'), entry('docker.io', { source: registry.host }));
      const cluster = `[cluster]\npeers = ${peers}\nself = "http://${address}:${port}"\nsecret_file = "${folder}/secret"\n`;
      writeFileSync(join(folder, 'entrepot.toml'), `[limits]\ndrain_delay = "3s"\n${cluster}`);
      const files = ['registries', 'config'].map((flag) => [
        `--${flag}`,
        join(folder, flag === 'config' ? 'entrepot.toml' : 'registries.conf'),
      ]);
      const args = [
        'serve',
        '--listen',
        `${address}:${port}`,
        '--data',
        join(folder, 'data'),
        ...files.flat(),
      ];
      const start = async () => {
        const [command, all] = net.on(index, process.execPath, [mainFile, ...args]);
        const running = startProcess(command, all, { inherit: ['PATH', 'TMPDIR'], env: { HOME: folder } });
        await running.line(/listening/);
        return running;
      };
      const machine: Machine = {
        id: `${address}:${port}`,
        index,
        url: `http://${address}:${port}`,
        process: await start(),
        async restart() {
          await machine.process.stop();
          machine.process = await start();
        },
      };
      t.after(async () => {
        machine.process.kill();
        await machine.process.exited;
      });
      return machine;
    }),
  );
  const byRank = (digest: Digest) =>
    ranked(shardOf({ registry: 'docker.io', repository: 'library/app' as Repository, digest }), all);
  return { registry, all, byRank };
}

const blobUrl = ({ url }: Machine, digest: Digest) => `${url}/v2/library/app/blobs/${digest}`;
const gets = (registry: FakeRegistry, digest: Digest) =>
  registry.matching({ kind: 'blob', method: 'GET', digest });

async function pull(machine: Machine, blob: Blob): Promise<void> {
  const answer = await get(blobUrl(machine, blob.digest));
  assert.deepEqual([answer.status, answer.complete], [200, true], answer.body.toString('utf8', 0, 300));
  assert.ok(answer.body.equals(blob.bytes()), `the bytes from ${machine.id} are right`);
}

describe('four machines of one cluster', () => {
  after(() => running?.stop());

  it('ask upstream once for a blob whose headers take three seconds', async (t) => {
    const network = networkFor(t);
    if (!network) return;
    const { registry, all } = await startMachines(t, network);
    registry.on({ kind: 'blob' }, latency(3000));
    const counts: number[] = [];
    // On a machine that is too busy to say a word within a second, the next endpoint is asked beside it: that round proves nothing.
    for (let round = 0; counts.at(-1) !== 1 && round < 5; round += 1) {
      const blob = generateBlob(16 * MiB, `slow ${round}`);
      registry.putBlob(blob);
      await Promise.all(Array.from({ length: 20 }, (_, at) => pull(all[at % machines]!, blob)));
      counts.push(gets(registry, blob.digest).length);
    }
    assert.equal(counts.at(-1), 1, `upstream GETs for one blob: ${counts}`);
  });

  it('go on while two of them cannot reach each other, also in the middle of a body', async (t) => {
    const network = networkFor(t);
    if (!network) return;
    const { registry, all, byRank } = await startMachines(t, network);
    t.after(() => network.join());
    const blob = generateBlob(8 * MiB, 'parted');
    registry.putBlob(blob);
    const [owner, follower] = byRank(blob.digest);
    const hold = gate();
    registry.on({ kind: 'blob', digest: blob.digest, nth: 1 }, stallAfter(4 * MiB, hold));
    const answer = await open(blobUrl(follower!, blob.digest));
    const begun = await answer.read(2 * MiB);
    network.part(owner!.index, follower!.index);
    const { body, complete } = await answer.rest();
    assert.ok(complete);
    assert.ok(Buffer.concat([begun, body]).equals(blob.bytes()));
    hold.release();
    assert.equal(gets(registry, blob.digest).length, 2);
    const other = generateBlob(8 * MiB, 'cold');
    registry.putBlob(other);
    await Promise.all(all.map((machine) => pull(machine, other)));
    // Each side has an owner of its own.
    assert.ok(gets(registry, other.digest).length <= 2);
  });

  it('lose no byte when the owner is killed at 60 percent', async (t) => {
    const network = networkFor(t);
    if (!network) return;
    const { registry, byRank } = await startMachines(t, network);
    const blob = generateBlob(20 * MiB, 'killed');
    registry.putBlob(blob);
    const [owner, ...others] = byRank(blob.digest);
    const hold = gate();
    registry.on({ kind: 'blob', digest: blob.digest, nth: 1 }, stallAfter(12 * MiB, hold));
    const answers = await Promise.all(others.map((machine) => open(blobUrl(machine, blob.digest))));
    const begun = await Promise.all(answers.map((answer) => answer.read(11 * MiB)));
    owner!.process.kill();
    const rests = await Promise.all(answers.map((answer) => answer.rest()));
    hold.release();
    for (const [at, { body, complete }] of rests.entries()) {
      assert.ok(complete);
      assert.ok(Buffer.concat([begun[at]!, body]).equals(blob.bytes()), `the bytes from ${others[at]!.id}`);
    }
    const [, again, ...more] = gets(registry, blob.digest);
    assert.deepEqual(more, []);
    assert.ok(Number(/^bytes=(\d+)-/.exec(String(again?.headers.range))?.[1]) >= 11 * MiB);
  });

  it('are restarted one after the other under load, and no pull fails', async (t) => {
    const network = networkFor(t);
    if (!network) return;
    const { registry, all } = await startMachines(t, network);
    // As a load balancer does it: a machine that says that it is not ready gets no new requests.
    const ready = new Set(all);
    let isOver = false;
    let pulls = 0;
    async function work(worker: number): Promise<void> {
      for (let turn = 0; !isOver; turn += 1) {
        const blob = generateBlob(MiB, `${worker} ${turn}`);
        registry.putBlob(blob);
        for (let time = 0; time < 2; time += 1) await pull([...ready][(turn + time) % ready.size]!, blob);
        pulls += 1;
      }
    }
    const workers = Array.from({ length: 4 }, (_, worker) => work(worker));
    const failed = Promise.all(workers);
    failed.catch(() => {
      isOver = true;
    });
    for (const machine of all) {
      const already = pulls;
      ready.delete(machine);
      await machine.restart();
      await eventually('it is ready', async () => (await get(`${machine.url}/readyz`)).status === 200);
      ready.add(machine);
      await eventually('pulls go on', () => isOver || pulls > already + 4);
    }
    isOver = true;
    await failed;
    assert.ok(pulls > 16);
  });
});
