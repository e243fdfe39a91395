/**
 * The check of a scanner gate. An index is accepted without a question: it has no layers, and each of its manifests is checked when it
 * is asked for. A verdict is of an image's name and digest; the tag does not matter.
 */
import { readSecretFile } from '../../config/credentials/secret-file.ts';
import type { ScannerFormat, ScannerGate } from '../../config/gates/gate-config.ts';
import { readManifest } from '../../oci/manifest.ts';
import { isIndexType } from '../../oci/media-types.ts';
import { referenceName } from '../../oci/reference.ts';
import type { Check } from '../gates.ts';
import { createClairScan } from './clair.ts';
import { refusalOf } from './findings.ts';
import type { Scan, ScanDeps } from './scan.ts';
import { createWebhookScan } from './webhook.ts';

export type ScannerCheckDeps = Omit<ScanDeps, 'readSecret'>;

const scans: Readonly<Record<ScannerFormat, (deps: ScanDeps, gate: ScannerGate) => Scan>> = {
  webhook: createWebhookScan,
  clair: createClairScan,
};

/** Secrets are read for each question, so that a new one counts at once. */
export function createScannerCheck(deps: ScannerCheckDeps, gate: ScannerGate): Check {
  const scan = scans[gate.format]({ ...deps, readSecret: readSecretFile }, gate);
  const rule = `severity = "${gate.severity}"`;
  return {
    fail: gate.fail,
    keepRefused: gate.keep,
    scopeOf: ({ reference }) => referenceName(reference),
    async check(image, signal) {
      const manifest = readManifest(image.bytes, image.mediaType);
      if (!('problem' in manifest) && isIndexType(manifest.mediaType)) return { kind: 'accepted' };
      const scanned = await scan(image, signal);
      if (!scanned.ok) return { kind: 'unknown', rule: `fail = "${gate.fail}"`, reason: scanned.reason };
      if ('denied' in scanned) return { kind: 'refused', rule: 'verdict', reason: scanned.denied };
      const reason = refusalOf(scanned.findings, gate);
      return reason === undefined ? { kind: 'accepted' } : { kind: 'refused', rule, reason };
    },
  };
}
