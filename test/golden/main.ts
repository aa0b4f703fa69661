import { runGolden } from './cli.ts';

process.exitCode = runGolden(process.argv.slice(2), console);
