/**
 * The fake registry in a process of its own, so that its work is not done on the thread that is measured:
 *
 *   node test/support/fake-registry-main.ts --blob 256MiB --blob 1MiB [--port 0] [--image 64MiB,1MiB] [--repository bench/image]
 *        [--rate BYTES/s for each connection] [--latency MS] [--tls]
 *
 * Prints one line of JSON: {"port", "host", "url", "ca", "blobs": [{"digest", "size"}], "images": [{"repository", "tag", "digest"}]}.
 * Every SIGUSR2 prints another: {"requests": {"manifest": 1, "blob": 2}, "bodyBytes": 3}. SIGTERM ends it.
 */
import { parseArgs } from 'node:util';
import { createCertificateAuthority } from './certificates.ts';
import { startFakeRegistry } from './fake-registry.ts';
import { latency, rate } from './fake-registry-faults.ts';
import { buildImage } from './images.ts';

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '0' },
    blob: { type: 'string', multiple: true, default: [] },
    image: { type: 'string', multiple: true, default: [] },
    repository: { type: 'string', default: 'bench/image' },
    rate: { type: 'string' },
    latency: { type: 'string' },
    tls: { type: 'boolean', default: false },
  },
});

const authority = values.tls ? createCertificateAuthority() : undefined;
const registry = await startFakeRegistry({ port: Number(values.port), tls: authority?.issue() });
const slow = [
  ...(values.latency === undefined ? [] : [latency(Number(values.latency))]),
  ...(values.rate === undefined ? [] : [rate(bytesOf(values.rate))]),
];
if (slow.length > 0) registry.on({}, ...slow);

const blobs = values.blob.map((size, index) => ({
  digest: registry.putGeneratedBlob(bytesOf(size), `blob ${index}`),
  size: bytesOf(size),
}));
const images = values.image.map((sizes, index) => {
  const image = buildImage({ layers: sizes.split(',').map(bytesOf), seed: index });
  const tag = `v${index + 1}`;
  const layers = image.layers.map(({ digest, size }) => ({ digest, size }));
  return {
    repository: values.repository,
    tag,
    digest: registry.putImage(values.repository, tag, image),
    config: image.config?.digest,
    layers,
  };
});

const { port, host, url } = registry;
print({ port, host, url, ca: authority?.cert, blobs, images });
process.on('SIGUSR2', () => {
  const requests = Object.fromEntries(
    (['ping', 'manifest', 'blob', 'tags', 'referrers'] as const).map((kind) => [
      kind,
      registry.count({ kind }),
    ]),
  );
  print({ requests, bodyBytes: registry.bodyBytes() });
});
process.on('SIGTERM', () => void registry.stop().then(() => process.exit(0)));
process.on('SIGINT', () => void registry.stop().then(() => process.exit(0)));

function print(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

/** `256MiB`, `1GiB`, `64KiB` or plain bytes. */
function bytesOf(text: string): number {
  const [, number = '', unit = ''] = /^(\d+)(KiB|MiB|GiB|B)?$/.exec(text) ?? [];
  if (number === '') throw new Error(`"${text}" is no size: write 1024, 64KiB, 256MiB or 1GiB`);
  const powers = ['', 'KiB', 'MiB', 'GiB'];
  return Number(number) * 1024 ** Math.max(0, powers.indexOf(unit));
}
