import type { AArch64Registers } from '../../registers.ts';
import type { TableInstaller } from '../../table-installer.ts';

/** The translation registers of one processor, and who loads them into it. */
export class Processor {
  #registers: AArch64Registers;
  readonly #installer: TableInstaller | undefined;

  /** @param installer loads registers into a machine; without one they are only recorded */
  constructor(registers: AArch64Registers, installer?: TableInstaller) {
    this.#registers = registers;
    this.#installer = installer;
  }

  /** The registers that are in force. */
  get registers(): AArch64Registers {
    return this.#registers;
  }

  /** Loads registers. If the installer fails, the old ones stay recorded. */
  async load(registers: AArch64Registers): Promise<void> {
    await this.#installer?.install(registers);
    this.#registers = registers;
  }
}
