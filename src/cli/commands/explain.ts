/**
 * `entrepot explain REF`: the endpoints that the configuration gives one image (`admin/explanation.ts`). No host is contacted, except with
 * `--probe` (`probe.ts`).
 */
import { explainAccess } from '../../access/explain-access.ts';
import { type Explanation, explanationOf } from '../../admin/explanation.ts';
import { type LoadOptions, loadWhatIsRight, wholeConfig } from '../../config/load.ts';
import { readReference } from '../../config/named-images.ts';
import { EntrepotError } from '../../errors.ts';
import { referenceName } from '../../oci/reference.ts';
import { errorAsJson } from '../output/result.ts';

export type Stage = 'load' | 'reference' | 'rewrite';

export interface ExplainFailure {
  readonly ok: false;
  readonly stage: Stage;
  readonly error: EntrepotError;
}

export type Explained = { readonly ok: true; readonly explanation: Explanation } | ExplainFailure;

/** Reads the configuration. `as`: the name of a principal. Errors of the user are results. */
export function explain(given: string, options: LoadOptions, as?: string): Explained {
  let stage: Stage = 'load';
  try {
    const partial = loadWhatIsRight(options);
    const config = wholeConfig(partial);
    stage = 'reference';
    const reference = readReference(given);
    stage = 'rewrite';
    const explanation = explanationOf(given, reference, config);
    stage = 'load';
    const { access, data } = config.server;
    const image = referenceName(reference);
    const asked =
      as === undefined
        ? undefined
        : explainAccess(access, data, { name: as, image, file: partial.serverFile });
    return { ok: true, explanation: { ...explanation, access: asked } };
  } catch (error) {
    if (!(error instanceof EntrepotError)) throw error;
    return { ok: false, stage, error };
  }
}

/** The value that `--json` prints for a failure. */
export function failureAsJson({ stage, error }: ExplainFailure): unknown {
  return { error: { stage, ...errorAsJson(error) } };
}
