/**
 * A server with something on each page of the dashboard: images of several platforms with common layers and an SBOM, requests with
 * trails, a dead mirror, a transfer on its way, synced tags, jobs, quotas, pins, tokens, rules and a warning. Its clock leaps, so
 * that an hour of traffic takes a moment.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { passwordLine } from './access.ts';
import { type RunningApp, startApp } from './app.ts';
import { generateBlob } from './byte-source.ts';
import { entry, names, startRegistry } from './endpoints.ts';
import { stallAfter } from './fake-registry-faults.ts';
import { gate } from './gate.ts';
import { get, open } from './http-client.ts';
import { buildArtifact, buildImage, buildIndex } from './images.ts';
import { createLeapingClock } from './leaping-clock.ts';
import { settled } from './mirrored-registry.ts';
import { type Cleanup, tempFolder } from './temp-folder.ts';

export interface DashboardWorld {
  readonly proxy: RunningApp;
  /** Of the account that may administer. */
  readonly account: string;
  readonly password: string;
  /** A reference for the page of one image. */
  readonly image: string;
  /** Pulls a manifest once more. */
  pull(): Promise<void>;
}

const account = { name: 'ann', password: 'correct horse battery' };
const MiB = 1024 * 1024;

const toml = `[limits]
stop_grace = "100ms"
[cache]
max_size = "120MiB"
[[cache.quota]]
match = "docker.io/library/**"
max_size = "80MiB"
[[cache.quota]]
match = "quay.io/**"
max_size = "60MiB"
[[cache.pin]]
match = "docker.io/library/alpine:*"
[freshness]
tag = "30m"
[access]
anonymous = ["pull"]
htpasswd = "htpasswd"
[[access.rule]]
who = ["ann", "group:platform"]
match = "**"
may = ["administer"]
[[access.rule]]
who = ["ci"]
match = "images.local/**"
may = ["pull", "push"]
[[push]]
match = "images.local/**"
mode = "local"
[[sync]]
name = "base"
source = "docker.io/library/{alpine,nginx}"
[[sync]]
name = "tools"
source = "quay.io/team/absent"
[upstream]
insecure = true
`;

/** `minutes`: how much traffic the charts show. */
export async function startDashboardWorld(
  test: Cleanup,
  { minutes = 90 }: { minutes?: number } = {},
): Promise<DashboardWorld> {
  const clock = createLeapingClock();
  const hub = await startRegistry(test);
  const quay = await startRegistry(test);
  const dead = await startRegistry(test);
  const base = generateBlob(3 * MiB, 'base layer');
  const alpine = buildIndex({ platforms: ['linux/amd64', 'linux/arm64', 'linux/arm/v7'], layers: [base] });
  const nginx = buildIndex({ seed: 'nginx', layers: [base, 2 * MiB, 40_000] });
  const postgres = buildImage({ seed: 'postgres', layers: [base, 9 * MiB, 1 * MiB] });
  const app = buildImage({ seed: 'app', layers: [6 * MiB, 300_000] });
  const sbom = buildArtifact(app);
  const big = buildImage({ seed: 'big', layers: [24 * MiB] });
  for (const tag of ['3.21', '3.22', 'latest']) hub.putImage('library/alpine', tag, alpine);
  for (const tag of ['1.29', 'latest']) hub.putImage('library/nginx', tag, nginx);
  hub.putImage('library/postgres', '18', postgres);
  quay.putImage('team/app', '2.4.1', app);
  quay.putImage('team/app', undefined, sbom);
  quay.putImage('team/big', '1', big);
  await dead.refuse();

  const port = (host: string) => host.split(':')[1];
  const known = { 'mirror.corp': ['127.0.0.1'], 'hub.corp': ['127.0.0.1'], 'quay.corp': ['127.0.0.1'] };
  const hosts = {
    mirror: `mirror.corp:${port(dead.host)}`,
    hub: `hub.corp:${port(hub.host)}`,
    quay: `quay.corp:${port(quay.host)}`,
  };
  const folder = tempFolder(test);
  writeFileSync(join(folder, 'htpasswd'), passwordLine(account.name, account.password));
  const registries = [
    entry('docker.io', { mirrors: [`${hosts.mirror}/hub`], source: hosts.hub }),
    entry('quay.io', { source: hosts.quay }),
  ].join('\n');
  const proxy = await startApp(test, { folder, registries, toml }, { resolve: names(known), clock });
  const v2 = (path: string) => `${proxy.url}/v2/${path}`;
  const accept = { accept: '*/*' };

  async function pull(
    name: string,
    tag: string,
    image: { readonly blobs: typeof app.blobs; readonly children: typeof app.children },
  ) {
    await get(v2(`${name}/manifests/${tag}`), { headers: accept });
    for (const { digest } of image.children)
      await get(v2(`${name}/manifests/${digest}`), { headers: accept });
    for (const { digest } of image.blobs) await get(v2(`${name}/blobs/${digest}`));
  }

  const pulls = [
    () => pull('docker.io/library/postgres', '18', postgres),
    () => pull('quay.io/team/app', '2.4.1', app),
    () => get(v2(`quay.io/team/app/manifests/${sbom.digest}`), { headers: accept }),
    () => pull('docker.io/library/nginx', '1.29', nginx),
    () => pull('docker.io/library/alpine', 'latest', alpine),
    () => get(v2('quay.io/team/app/manifests/9.9.9'), { headers: accept }),
  ];
  await pull('docker.io/library/alpine', '3.22', alpine);
  const once = async () => {
    await get(v2('docker.io/library/alpine/manifests/3.22'), { headers: accept });
  };
  for (let minute = 0; minute < minutes; minute += 1) {
    if (minute % Math.ceil(minutes / pulls.length) === 0) await pulls.shift()?.();
    const wave = Math.round(6 + 4 * Math.sin(minute / 9) + 2 * Math.sin(minute / 2));
    for (let n = 0; n < wave; n += 1) {
      if (n % 2 === 0) await once();
      else await get(v2(`docker.io/library/alpine/blobs/${base.digest}`));
    }
    await settled(proxy);
    clock.leap(60_000);
  }
  for (const next of pulls) await next();
  await settled(proxy);
  await proxy.app.administration.sync(['base'], {});

  const { administration } = proxy.app;
  await administration.tokens.create({
    name: 'ci',
    match: ['images.local/**'],
    may: ['pull', 'push'],
    expires: '90d',
  });
  await administration.tokens.create({
    name: 'nodes',
    match: ['docker.io/**', 'quay.io/**'],
    may: ['pull'],
    expires: undefined,
  });
  await administration.pin('quay.io/team/app:2.4.1');

  // A blob that stops half way, so that a transfer is there to be seen.
  const hold = gate();
  test.after(() => hold.release());
  quay.on({ kind: 'blob', digest: big.layers[0]!.digest }, stallAfter(11 * MiB, hold));
  await get(v2('quay.io/team/big/manifests/1'), { headers: accept });
  for (let n = 0; n < 2; n += 1) {
    const reader = await open(v2(`quay.io/team/big/blobs/${big.layers[0]!.digest}`));
    test.after(() => reader.destroy());
    await reader.read(64 * 1024);
  }
  return {
    proxy,
    account: account.name,
    password: account.password,
    image: 'docker.io/library/nginx:1.29',
    pull: once,
  };
}
