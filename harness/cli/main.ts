import { runCommandLine } from './command-line.ts';
import { processIo } from './io.ts';

// No await: the bundle is a CommonJS module.
void runCommandLine(process.argv.slice(2), processIo()).then((status) => {
  process.exitCode = status;
});
