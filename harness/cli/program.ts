import { Argument, Command, InvalidArgumentError, Option } from 'commander';
import { VERSION } from '../package.ts';
import { COVERAGES } from '../plan-points.ts';
import { REPORTER_NAMES } from '../reporters/reporter.ts';
import type { CliIo } from './io.ts';

/** The command line's grammar. What a command does is loaded when it is used. */
export function buildProgram(io: CliIo, setStatus: (status: number) => void): Command {
  const program = new Command('mmucheck')
    .description('Puts page tables to real MMUs: a memory layout, or the tables that a firmware built.')
    .version(VERSION, '-V, --version', 'print the version')
    .helpCommand(false)
    .showHelpAfterError('(mmucheck --help shows the commands and their options)')
    .exitOverride()
    .configureOutput({ writeOut: io.out, writeErr: io.err })
    .addHelpText(
      'after',
      '\nExit status: 0 all agrees; 1 mismatches; 2 bad input or usage; 3 a machine that is needed is not available.',
    );
  const run = <Arguments extends unknown[]>(work: (...args: Arguments) => Promise<number>) => {
    return async (...args: Arguments): Promise<void> => setStatus(await work(...args));
  };

  command(program, 'verify', 'ask machines whether tables do what is expected of them')
    .addArgument(new Argument('<input>', 'a layout (.yaml, .json) or a capture (.core, .core.gz)'))
    .option(
      '--tables <capture>',
      'verify these tables instead of those that the engine builds for the layout',
    )
    .option(
      '--machine <names>',
      'machines to run, separated by commas: qemu, unicorn, qemu-x64 …',
      listOf,
      [],
    )
    .addOption(
      new Option('--coverage <what>', 'which addresses to touch').choices(COVERAGES).default('leaves'),
    )
    .addOption(new Option('--reporter <form>', 'form of the report').choices(REPORTER_NAMES).default('text'))
    .option('--output-file <file>', 'write the report to a file')
    .option('--max-mismatches <count>', 'how many mismatches a report holds one by one', countOf, 1000)
    .action(
      run(async (input: string, options) => (await import('./verify.ts')).runVerify(input, options, io)),
    );

  command(program, 'build', 'write the tables that the engine builds for a layout as a capture')
    .addArgument(new Argument('<layout>', 'a layout (.yaml, .json)'))
    .requiredOption('--output <capture>', 'the capture; its registers file is written beside it')
    .action(
      run(async (layout: string, options) => (await import('./build.ts')).runBuild(layout, options, io)),
    );

  command(program, 'query', 'what the engine says about addresses')
    .addArgument(new Argument('<input>', 'a layout or a capture'))
    .addArgument(new Argument('<address...>', 'virtual addresses'))
    .option('--tables <capture>', 'ask these tables instead of those that the engine builds')
    .action(
      run(async (input: string, addresses: string[], options) =>
        (await import('./query.ts')).runQuery(input, addresses, options, io),
      ),
    );

  command(program, 'dump', 'every run of leaves, with its permissions and memory type')
    .addArgument(new Argument('<input>', 'a layout or a capture'))
    .addArgument(new Argument('[address...]', 'only the leaves at these virtual addresses'))
    .option('--entries', 'every entry that is not zero, bit by bit, as Patina prints it')
    .action(
      run(async (input: string, addresses: string[], options) =>
        (await import('./dump.ts')).runDump(input, addresses, options, io),
      ),
    );

  command(program, 'explain', 'walk to an address level by level, and ask the machines')
    .addArgument(new Argument('<input>', 'a layout or a capture'))
    .addArgument(new Argument('<address>', 'a virtual address'))
    .option('--tables <capture>', 'walk these tables instead of those that the engine builds')
    .option('--machine <names>', 'machines to ask, separated by commas', listOf, [])
    .action(
      run(async (input: string, address: string, options) =>
        (await import('./explain.ts')).runExplain(input, address, options, io),
      ),
    );

  command(
    program,
    'tlb',
    'which TLB flushes machines need, and whether those that mappers and mappings ask for are enough',
  )
    .option('--machine <names>', 'machines to run, separated by commas: qemu, unicorn', listOf, [])
    .action(
      run(async (options: { machine: readonly string[] }) => (await import('./tlb.ts')).runTlb(options, io)),
    );

  command(program, 'doctor', 'which machines are here, their versions, and what they can observe')
    .option('--json', 'as JSON', false)
    .action(
      run(async (options: { json: boolean }) =>
        (await import('./doctor.ts')).runDoctor({ json: options.json, write: io.out }),
      ),
    );

  command(program, 'setup', 'install what is missing').action(
    run(async () => (await import('./setup.ts')).runSetup()),
  );
  return program;
}

function command(program: Command, name: string, description: string): Command {
  return program.command(name).description(description).copyInheritedSettings(program);
}

/** "qemu,unicorn", and the option given several times. */
function listOf(value: string, before: readonly string[]): readonly string[] {
  const names = value.split(',').map((name) => name.trim());
  if (names.includes('')) throw new InvalidArgumentError('A machine’s name is empty.');
  return [...before, ...names];
}

function countOf(value: string): number {
  const count = Number(value);
  if (!/^\d+$/.test(value) || !Number.isSafeInteger(count)) {
    throw new InvalidArgumentError('A non-negative whole number is needed.');
  }
  return count;
}
