/**
 * Clair v4: its indexer fetches the layers from this server, and its matcher tells what is known of them.
 *
 *   POST indexer/api/v1/index_report                   the manifest's digest, and where each layer is; answered once it is indexed
 *   GET  matcher/api/v1/vulnerability_report/DIGEST    vulnerabilities by id, with a normalized severity
 */
import type { ScannerGate } from '../../config/gates/gate-config.ts';
import { foreignWords } from '../../lib/foreign-words.ts';
import { isJsonObject } from '../../oci/parse-json.ts';
import { layersOf } from './content-urls.ts';
import { readFinding } from './findings.ts';
import { askScanner, type Scan, type ScanDeps } from './scan.ts';

/** An artifact that is no image has nothing that Clair reads. */
export function createClairScan(deps: ScanDeps, gate: ScannerGate): Scan {
  const base = gate.url.replace(/\/+$/, '');
  const { host } = new URL(base);

  return async (image, signal) => {
    const layers = layersOf(image, gate);
    if (!layers) return { ok: false, reason: 'its manifest does not say which layers it has' };
    if (layers.length === 0) return { ok: true, findings: [] };
    const { contentSecretFile } = gate;
    const headers =
      contentSecretFile === undefined ? {} : { Authorization: [deps.readSecret(contentSecretFile)] };
    const body = {
      hash: image.digest,
      layers: layers.map(({ digest, url }) => ({ hash: digest, uri: url, headers })),
    };
    const indexed = await askScanner(deps, gate, `${base}/indexer/api/v1/index_report`, {
      method: 'POST',
      body,
      signal,
    });
    if (!indexed.ok) return indexed;
    const report = isJsonObject(indexed.json) ? indexed.json : {};
    if (report.success !== true) {
      const why = foreignWords(String(report.err ?? report.state ?? 'it says no success'));
      return { ok: false, reason: `${host}: the image is not indexed: ${why}` };
    }
    const matched = await askScanner(
      deps,
      gate,
      `${base}/matcher/api/v1/vulnerability_report/${image.digest}`,
      {
        method: 'GET',
        signal,
      },
    );
    if (!matched.ok) return matched;
    const found = isJsonObject(matched.json) ? matched.json.vulnerabilities : undefined;
    if (!isJsonObject(found)) return { ok: false, reason: `${host}: its report has no vulnerabilities` };
    const findings = Object.values(found)
      .filter(isJsonObject)
      .map(({ name, id, normalized_severity }) => readFinding(name ?? id, normalized_severity));
    return { ok: true, findings };
  };
}
