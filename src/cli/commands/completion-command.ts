/** `entrepot completion`: prints the completions of a shell. It reads no configuration and contacts no host. */
import { Argument, type Command } from 'commander';
import { examples } from '../output/examples.ts';
import type { Result } from '../output/result.ts';

const shells = ['bash', 'zsh', 'fish'] as const;
type Shell = (typeof shells)[number];

/** Adds `completion` to the program. `done` prints the result. */
export function addCompletionCommand(program: Command, done: (result: Result) => void): void {
  program
    .command('completion')
    .description('print completions of commands and flags for a shell')
    .addArgument(new Argument('<SHELL>', 'the shell').choices(shells))
    .addHelpText(
      'after',
      examples(
        'source <(entrepot completion bash)',
        'entrepot completion zsh > ~/.zfunc/_entrepot',
        'entrepot completion fish > ~/.config/fish/completions/entrepot.fish',
      ),
    )
    .action(async (shell: Shell) => {
      const text = await scriptFor(shell, program);
      done({ exitCode: 0, json: text, text });
    });
}

async function scriptFor(shell: Shell, program: Command): Promise<string> {
  const { commandTree } = await import('../completion/command-tree.ts');
  const tree = commandTree(program);
  switch (shell) {
    case 'bash':
      return (await import('../completion/bash.ts')).bashCompletion(tree);
    case 'zsh':
      return (await import('../completion/zsh.ts')).zshCompletion(tree);
    case 'fish':
      return (await import('../completion/fish.ts')).fishCompletion(tree);
  }
}
