/**
 * The webhook of docs/gates.md: one POST for each image, answered by 200 and a verdict, or by what was found.
 *
 *   -> {"image": "docker.io/library/alpine", "digest": "sha256:...", "mediaType": "...", "manifest": "{...}"}
 *   <- {"verdict": "allow"}   {"verdict": "deny", "reason": "..."}   {"vulnerabilities": [{"id": "CVE-...", "severity": "high"}]}
 */
import type { ScannerGate } from '../../config/gates/gate-config.ts';
import { foreignWords } from '../../lib/foreign-words.ts';
import { isJsonObject } from '../../oci/parse-json.ts';
import { referenceName } from '../../oci/reference.ts';
import { readFindings } from './findings.ts';
import { askScanner, type Scan, type ScanDeps } from './scan.ts';

/** An answer of another shape is no verdict. */
export function createWebhookScan(deps: ScanDeps, gate: ScannerGate): Scan {
  return async ({ reference, digest, mediaType, bytes }, signal) => {
    const body = {
      image: referenceName(reference),
      digest,
      mediaType,
      manifest: Buffer.from(bytes).toString('utf8'),
    };
    const answer = await askScanner(deps, gate, gate.url, { method: 'POST', body, signal });
    if (!answer.ok) return answer;
    const { host } = new URL(gate.url);
    if (!isJsonObject(answer.json)) return { ok: false, reason: `${host}: its answer is no object` };
    const { verdict, reason, vulnerabilities } = answer.json;
    if (verdict === 'deny') {
      const why = typeof reason === 'string' ? foreignWords(reason) : '';
      return { ok: true, denied: why === '' ? 'the scanner denies it' : `the scanner denies it: ${why}` };
    }
    if (Array.isArray(vulnerabilities)) return { ok: true, findings: readFindings(vulnerabilities) };
    if (verdict === 'allow') return { ok: true, findings: [] };
    return { ok: false, reason: `${host}: its answer has no verdict` };
  };
}
