/** The registry behind all peers of a row: the tests' fake one, in a process of its own, with what it was asked. */
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { startProcess } from '../test/support/processes.ts';
import type { Stage } from './stage.ts';

export interface UpstreamOptions {
  /** Sizes of generated blobs, such as `256MiB`. */
  readonly blobs?: readonly string[];
  /** Layer sizes of each image, such as `64KiB,1MiB`. */
  readonly images?: readonly string[];
  /** Bytes per second of each connection. */
  readonly rate?: string;
}

export interface Upstream {
  readonly host: string;
  readonly url: string;
  /** Paths under any peer's url. */
  readonly blobs: readonly string[];
  readonly images: readonly UpstreamImage[];
  /** All so far. */
  asked(): Promise<Asked>;
  /** Resolves when no more bytes go out: peers may fetch on after they have answered. */
  quiet(): Promise<Asked>;
  stop(): Promise<unknown>;
}

export interface UpstreamImage {
  readonly byTag: string;
  readonly byDigest: string;
  /** Config and layers. */
  readonly blobs: readonly string[];
}

export interface Asked {
  readonly requests: Readonly<Record<'ping' | 'manifest' | 'blob' | 'tags' | 'referrers', number>>;
  readonly bodyBytes: number;
}

interface Announcement {
  readonly host: string;
  readonly url: string;
  readonly blobs: readonly { digest: string }[];
  readonly images: readonly {
    repository: string;
    tag: string;
    digest: string;
    config: string;
    layers: readonly { digest: string }[];
  }[];
}

const main = join(import.meta.dirname, '..', 'test', 'support', 'fake-registry-main.ts');
const repository = 'bench/image';

export async function startUpstream(stage: Stage, options: UpstreamOptions): Promise<Upstream> {
  const { blobs = [], images = [], rate } = options;
  const args = [
    ...blobs.flatMap((size) => ['--blob', size]),
    ...images.flatMap((sizes) => ['--image', sizes]),
    ...(rate === undefined ? [] : ['--rate', rate]),
  ];
  const running = startProcess(process.execPath, [main, '--repository', repository, ...args]);
  stage.defer(() => running.stop());
  const told = JSON.parse(await running.line(/^\{"port"/)) as Announcement;
  const blob = (digest: string) => `/v2/${repository}/blobs/${digest}`;
  const manifest = (reference: string) => `/v2/${repository}/manifests/${reference}`;
  let lines = 1;

  async function asked(): Promise<Asked> {
    running.kill('SIGUSR2');
    lines += 1;
    for (;;) {
      const got = running.stdout.split('\n');
      if (got.length > lines) return JSON.parse(got[lines - 1] ?? '') as Asked;
      await wait(5);
    }
  }

  return {
    host: told.host,
    url: told.url,
    blobs: told.blobs.map(({ digest }) => blob(digest)),
    images: told.images.map(({ tag, digest, config, layers }) => ({
      byTag: manifest(tag),
      byDigest: manifest(digest),
      blobs: [blob(config), ...layers.map((layer) => blob(layer.digest))],
    })),
    asked,
    async quiet() {
      let before = await asked();
      for (;;) {
        await wait(150);
        const now = await asked();
        if (now.bodyBytes === before.bodyBytes) return now;
        before = now;
      }
    },
    stop: () => running.stop(),
  };
}
