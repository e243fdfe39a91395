/** What `entrepot check` warns of, for the configuration in force and for drafts of it. */
import type { CheckedConfig } from '../access/check-access.ts';
import type { ConfigWarning } from '../config/config.ts';

/**
 * With what accounts, tokens and rules are worth a warning for, whose files change without a reload. What is wrong with such a file is a
 * warning here, too: it keeps no configuration from being in force.
 */
export async function warningsOf(
  config: CheckedConfig & { readonly warnings: readonly ConfigWarning[] },
): Promise<readonly ConfigWarning[]> {
  const { checkAccess } = await import('../access/check-access.ts');
  const { errors, warnings } = await checkAccess(config);
  const problems = errors.map(({ file = config.serverFile ?? '', line, message }) => ({
    file,
    line,
    message,
  }));
  return [...config.warnings, ...warnings, ...problems];
}
