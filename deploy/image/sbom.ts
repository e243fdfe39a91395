/**
 * What the image is made of, as SPDX 2.3: the program, its packages of npm, Node, and Debian's packages. It has no time and no number of
 * its own, so that the same sources give the same bytes. (`npm sbom --omit=dev` leaves out what a development package needs, too.)
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packagesAtRunTime } from '../build/program-tree.ts';
import type { DebianPackage } from './base-tree.ts';

export const sbomType = 'application/spdx+json';

export interface Contents {
  readonly checkout: string;
  readonly version: string;
  /** Seconds since 1970. */
  readonly date: number;
  /** Path and version of the program `node` in the image. */
  readonly node: { readonly path: string; readonly version: string };
  readonly debian: readonly DebianPackage[];
}

interface Part {
  readonly name: string;
  readonly version: string;
  readonly license?: string | undefined;
  readonly purl: string;
  readonly checksum?: { readonly algorithm: string; readonly checksumValue: string } | undefined;
}

/** The document as JSON. */
export function billOfMaterials({ checkout, version, date, node, debian }: Contents): string {
  const program: Part = {
    name: 'entrepot',
    version,
    license: 'Apache-2.0',
    purl: `pkg:npm/entrepot@${version}`,
  };
  const parts = [...partsOfNpm(checkout), partOfNode(node), ...debian.map(partOfDebian)];
  const [root, ...packages] = [program, ...parts].map(spdxPackage);
  const described = {
    spdxVersion: 'SPDX-2.3',
    dataLicense: 'CC0-1.0',
    SPDXID: 'SPDXRef-DOCUMENT',
    name: `entrepot-${version}`,
    creationInfo: {
      created: new Date(date * 1000).toISOString().replace('.000Z', 'Z'),
      creators: ['Organization: Entrepot'],
    },
    documentDescribes: [root?.SPDXID],
    packages: [root, ...packages],
    relationships: packages.map(({ SPDXID }) => ({
      spdxElementId: root?.SPDXID,
      relatedSpdxElement: SPDXID,
      relationshipType: 'CONTAINS',
    })),
  };
  const own = createHash('sha256').update(JSON.stringify(described)).digest('hex');
  const document = { ...described, documentNamespace: `https://spdx.org/spdxdocs/entrepot-${own}` };
  return `${JSON.stringify(document, undefined, 2)}\n`;
}

function partsOfNpm(checkout: string): readonly Part[] {
  const { packages } = JSON.parse(readFileSync(join(checkout, 'package-lock.json'), 'utf8'));
  return packagesAtRunTime(checkout).map((path) => {
    const { version, license, integrity } = packages[path] as Record<string, string | undefined>;
    const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
    const [algorithm, value = ''] = (integrity ?? '').split('-');
    if (algorithm !== 'sha512') throw new Error(`${path} of package-lock.json has no sha512`);
    const checksum = { algorithm: 'SHA512', checksumValue: Buffer.from(value, 'base64').toString('hex') };
    const purl = `pkg:npm/${name.replace('@', '%40')}@${version}`;
    return { name, version: version ?? '', license, purl, checksum };
  });
}

function partOfNode({ path, version }: Contents['node']): Part {
  const checksumValue = createHash('sha256').update(readFileSync(path)).digest('hex');
  const checksum = { algorithm: 'SHA256', checksumValue };
  return { name: 'node', version, license: 'MIT', purl: `pkg:generic/node@${version}`, checksum };
}

function partOfDebian({ name, version, architecture, sha256 }: DebianPackage): Part {
  const purl = `pkg:deb/debian/${encodeURIComponent(name)}@${encodeURIComponent(version)}?arch=${architecture}`;
  return { name, version, purl, checksum: { algorithm: 'SHA256', checksumValue: sha256 } };
}

function spdxPackage({ name, version, license, purl, checksum }: Part, at: number) {
  return {
    name,
    SPDXID: `SPDXRef-Package-${at}-${name}`.replaceAll(/[^A-Za-z0-9.-]/g, '-'),
    versionInfo: version,
    downloadLocation: 'NOASSERTION',
    filesAnalyzed: false,
    licenseConcluded: 'NOASSERTION',
    licenseDeclared: license ?? 'NOASSERTION',
    copyrightText: 'NOASSERTION',
    externalRefs: [{ referenceCategory: 'PACKAGE-MANAGER', referenceType: 'purl', referenceLocator: purl }],
    ...(checksum && { checksums: [checksum] }),
  };
}
