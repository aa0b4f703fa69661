import { hasStageTwo } from '../../../guest-stubs/aarch64/installation.ts';
import { cpuFeaturesOf } from '../../../src/aarch64/walk-cpu.ts';
import { regimeOf } from '../../../src/aarch64/walk-regime.ts';
import { HPFAR_NONE } from '../../../src/outcome-list.ts';
import type { AArch64Registers } from '../../../src/registers.ts';
import {
  Arm64,
  ELR_EL2,
  exceptionLevelOf,
  FAR_EL1,
  HCR_EL2,
  HPFAR_EL2,
  LEVEL_REGISTERS,
  PSTATE,
  SCR_EL3,
  SPSR_EL2,
  type SystemRegister,
  systemRegisterWords,
  VTCR_EL2,
  VTTBR_EL2,
} from './aarch64-registers.ts';
import type { UnicornEngine } from './engine.ts';

/** What HPFAR_EL2 holds while no fault of stage 2 has been: no intermediate address has these bits. */
const NO_HPFAR = 0xfff_ffff_fff0n;
/** SCTLR_EL2 with the MMU off: its RES1 bits. */
const SCTLR_OFF = 0x30c5_0830n;
/** Where systemRegisterWords has the value. */
const VALUE_WORD = 3;

/** The system registers of an emulated processor and its exception level: what the stub's monitor and EL2 would do. */
export class AArch64System {
  readonly #engine: UnicornEngine;
  readonly #level: 1 | 2 | 3;
  readonly #hasHalves: boolean;
  readonly #hasStageTwo: boolean;

  constructor(engine: UnicornEngine, registers: AArch64Registers) {
    this.#engine = engine;
    this.#level = registers.exceptionLevel;
    this.#hasHalves = regimeOf(registers, cpuFeaturesOf(registers)).ranges.length === 2;
    this.#hasStageTwo = hasStageTwo(registers);
  }

  /** Whether the processor is at EL0. */
  get isUser(): boolean {
    return exceptionLevelOf(this.#engine.readRegister(Arm64.Pstate)) === 0;
  }

  /** Does what the stub's monitor would. PSTATE comes first: the others tell the emulator to look at it. */
  install(registers: AArch64Registers): void {
    const level = LEVEL_REGISTERS[this.#level];
    this.#engine.writeRegister(Arm64.Pstate, PSTATE[`EL${this.#level}`]);
    this.#write(SCR_EL3, registers.scrEl3 ?? 0n);
    this.#write(HCR_EL2, registers.hcrEl2);
    if (this.#hasStageTwo) {
      this.#write(VTCR_EL2, registers.vtcr ?? 0n);
      this.#write(VTTBR_EL2, registers.vttbr ?? 0n);
      this.#write(LEVEL_REGISTERS[2].sctlr, SCTLR_OFF);
      this.#write(HPFAR_EL2, NO_HPFAR);
    }
    this.#write(level.ttbr0, registers.ttbr0);
    if (this.#hasHalves) this.#write(level.ttbr1, registers.ttbr1);
    this.#write(level.tcr, registers.tcr);
    this.#write(level.mair, registers.mair);
    this.#write(level.sctlr, registers.sctlr);
  }

  /** Back to the level of the loop. */
  enterLoopLevel(): void {
    this.#enter(PSTATE[`EL${this.#level}`]);
  }

  /** What the vector of HVC would do: the stub asks EL2, whose MMU is off. @param entry a physical address */
  callEl2(entry: number): void {
    this.#write(ELR_EL2, this.#engine.readRegister(Arm64.Pc));
    this.#write(SPSR_EL2, this.#engine.readRegister(Arm64.Pstate));
    this.#enter(PSTATE.EL2);
    this.#engine.writeRegister(Arm64.Pc, BigInt(entry));
  }

  /** HPFAR_EL2 if stage 2 raised the exception at hand, else HPFAR_NONE: to be asked once for each exception. */
  takeHpfar(): bigint {
    if (!this.#hasStageTwo) return HPFAR_NONE;
    const words = systemRegisterWords(HPFAR_EL2, 0n);
    const hpfar = this.#engine.readStructure(Arm64.SystemRegister, VALUE_WORD, ...words);
    if (hpfar === NO_HPFAR) return HPFAR_NONE;
    this.#write(HPFAR_EL2, NO_HPFAR);
    return hpfar;
  }

  #enter(pstate: bigint): void {
    this.#engine.writeRegister(Arm64.Pstate, pstate);
    // Any system register: writing one makes the emulator look at PSTATE again.
    this.#write(FAR_EL1, 0n);
  }

  #write(register: SystemRegister, value: bigint): void {
    this.#engine.writeRegister(Arm64.SystemRegister, ...systemRegisterWords(register, value));
  }
}
