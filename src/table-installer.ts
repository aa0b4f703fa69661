import type { Registers } from './registers.ts';

/**
 * Loads translation registers into whatever runs the tables. A machine attaches itself to a page table by
 * this one method; the memory with the tables it has already.
 */
export interface TableInstaller {
  install(registers: Registers): void | Promise<void>;
}
