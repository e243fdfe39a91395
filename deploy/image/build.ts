/**
 * Builds the container image without a container engine: an OCI layout in a tar, and its SBOM beside it. The same sources, packages of
 * Debian and SOURCE_DATE_EPOCH give the same bytes.
 *
 *   node deploy/image/build.ts [--out FOLDER] [--packages FOLDER] [--architecture x64|arm64 --node FILE]
 *
 * `--packages` has the *.deb of the base; without it, apt-get downloads them. Nothing of the image is run, so any architecture works.
 */
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { readVersion } from '../../src/cli/version.ts';
import { type Architecture, writeProgramTree } from '../build/program-tree.ts';
import { sourceDate } from '../build/source-date.ts';
import { downloadPackages, user, writeBaseTree } from './base-tree.ts';
import { layerOf } from './layer.ts';
import { imageLayout } from './layout.ts';
import { billOfMaterials } from './sbom.ts';

const checkout = join(import.meta.dirname, '..', '..');

interface Options {
  readonly out: string;
  readonly packages: string | undefined;
  readonly architecture: Architecture;
  readonly node: string | undefined;
}

/** Paths of the layout and of the SBOM. */
async function buildImage({
  out,
  packages,
  architecture,
  node,
}: Options): Promise<readonly [string, string]> {
  const work = mkdtempSync(join(tmpdir(), 'entrepot-image-'));
  try {
    const date = sourceDate(checkout, process.env);
    const version = readVersion();
    const downloads = packages ?? join(work, 'packages');
    if (packages === undefined) {
      mkdirSync(downloads);
      downloadPackages(downloads, architecture);
    }
    const debian = writeBaseTree(join(work, 'base'), downloads);
    const program = join(work, 'program/opt/entrepot');
    writeProgramTree(program, { checkout, architecture, node });
    nameInterpreter(program);
    mkdirSync(join(work, 'program/usr/bin'), { recursive: true });
    symlinkSync('/opt/entrepot/dist/main.js', join(work, 'program/usr/bin/entrepot'));
    // For the init container and the test of the Helm chart.
    symlinkSync('/opt/entrepot/node', join(work, 'program/usr/bin/node'));
    const sbom = billOfMaterials({
      checkout,
      version,
      date,
      debian,
      node: { path: join(program, 'node'), version: nodeVersion() },
    });
    const layout = await imageLayout({
      ...{ version, architecture, date, sbom },
      layers: [
        await layerOf(join(work, 'base'), date, new Map([['var/lib/entrepot', user]])),
        await layerOf(join(work, 'program'), date),
      ],
      config: configuration(),
      annotations: labels(version),
    });
    mkdirSync(out, { recursive: true });
    const name = join(out, `entrepot-${version}-${architecture === 'x64' ? 'amd64' : architecture}`);
    const files = [`${name}.oci.tar`, `${name}.spdx.json`] as const;
    for (const [at, content] of [layout, sbom].entries()) {
      writeFileSync(`${files[at]}.partial`, content);
      renameSync(`${files[at]}.partial`, files[at] ?? '');
    }
    return files;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** There is no env and no shell: the first line of main.js names Node itself. */
function nameInterpreter(program: string): void {
  const main = join(program, 'dist/main.js');
  const text = readFileSync(main, 'utf8');
  const named = text.replace(
    /^#!\/usr\/bin\/env -S MALLOC_ARENA_MAX=1 node (.*)$/m,
    '#!/opt/entrepot/node $1',
  );
  if (named === text) throw new Error(`${main} has another first line`);
  writeFileSync(main, named, { mode: 0o755 });
}

/** Defaults only: the keys listen and data of /etc/entrepot/entrepot.toml win over them. */
function configuration(): Readonly<Record<string, unknown>> {
  return {
    User: `${user.uid}:${user.gid}`,
    ExposedPorts: { '5000/tcp': {} },
    Env: [
      'PATH=/usr/bin',
      'NODE_ENV=production',
      'MALLOC_ARENA_MAX=1',
      'ENTREPOT_DEFAULT_LISTEN=0.0.0.0:5000',
      'ENTREPOT_DEFAULT_DATA=/var/lib/entrepot',
    ],
    Entrypoint: ['entrepot'],
    Cmd: ['serve'],
    Volumes: { '/var/lib/entrepot': {} },
    WorkingDir: '/opt/entrepot',
    Labels: labels(readVersion()),
  };
}

function labels(version: string): Readonly<Record<string, string>> {
  return {
    'org.opencontainers.image.title': 'Entrepot',
    'org.opencontainers.image.description': 'A pull-through mirror for container images',
    'org.opencontainers.image.licenses': 'Apache-2.0',
    'org.opencontainers.image.version': version,
  };
}

function nodeVersion(): string {
  const file = readFileSync(join(checkout, 'node_modules/node/package.json'), 'utf8');
  return (JSON.parse(file) as { version: string }).version;
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      out: { type: 'string', default: 'out' },
      packages: { type: 'string' },
      architecture: { type: 'string', default: process.arch },
      node: { type: 'string' },
    },
  });
  const { out, packages, architecture, node } = values;
  if (architecture !== 'x64' && architecture !== 'arm64') throw new Error('--architecture is x64 or arm64');
  const files = await buildImage({ out, packages, architecture, node });
  process.stdout.write(`${files.join('\n')}\n`);
}
