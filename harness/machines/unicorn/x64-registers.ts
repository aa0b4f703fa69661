/** Unicorn's numbers of x86 registers (unicorn/x86.h, uc_x86_reg). */
export const X86 = {
  Rdx: 40,
  Rip: 41,
  Cr0: 50,
  Cr2: 52,
  Cr3: 53,
  Cr4: 54,
  /** Takes uc_x86_msr: the number, the value. */
  Msr: 248,
} as const;

export const MSR_EFER = 0xc000_0080n;
/** uc_cpu_x86: LA57, SMEP, SMAP, PKU, NX and 1 GiB pages; MAXPHYADDR is 40. */
export const ICELAKE_SERVER = 26;
