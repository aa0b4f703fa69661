// The monitor: runs at EL3 with the MMU off, so that no table under test can reach it. It waits for the
// doorbell, installs the registers of a batch, lets the probe loop run at the level under test, and gets
// the processor back by SMC.
//
// x19 = physical address of the stub, x20 = its control block.

.text
.global start
start:
        adr     x19, start
        add     x20, x19, #CONTROL_OFFSET
        bl      take_over
        mov     w0, #(PROTOCOL_MAGIC & 0xffff)
        movk    w0, #(PROTOCOL_MAGIC >> 16), lsl #16
        mov     w1, #PROTOCOL_VERSION
        stp     w0, w1, [x20, #CONTROL_MAGIC]
        b       wait

// Makes this copy of the monitor the one that exceptions reach.
take_over:
        adr     x0, monitor_vectors
        msr     vbar_el3, x0
        msr     tpidr_el3, x19
        msr     cptr_el3, xzr
        mrs     x0, id_aa64mmfr0_el1
        str     x0, [x20, #CONTROL_MEMORY_FEATURES]
        mrs     x0, cntfrq_el0
        str     x0, [x20, #CONTROL_CLOCK_HZ]
        isb
        ret

// The doorbell's value is acknowledged only when everything else of the batch is in memory.
acknowledge:
        dsb     sy
        str     w21, [x20, #CONTROL_ACK]
wait:
        ldr     w21, [x20, #CONTROL_DOORBELL]
        ldr     w0, [x20, #CONTROL_ACK]
        cmp     w21, w0
        b.ne    obey
        yield
        b       wait
obey:
        dsb     sy
        ldr     w0, [x20, #CONTROL_COMMAND]
        cmp     w0, #COMMAND_PROBE_KEEP_TLB
        b.eq    probe_keep_tlb
        cmp     w0, #COMMAND_OPERATE
        b.eq    operate
        cmp     w0, #COMMAND_END_LIVE
        b.eq    end_live
        cmp     w0, #COMMAND_MOVE
        b.eq    move

        add     x22, x20, #CONTROL_REGISTERS
        ldr     x0, [x22, #REGISTER_SCR_EL3*8]
        msr     scr_el3, x0
        ldr     x1, [x22, #REGISTER_HCR_EL2*8]
        msr     hcr_el2, x1
        isb
        ldr     x0, [x22, #REGISTER_LEVEL*8]
        ldr     x23, [x22, #REGISTER_STUB*8]   // where the loop sees itself
        ldr     x24, [x22, #REGISTER_TTBR0*8]
        cmp     x0, #2
        b.eq    install_el2
        b.hi    install_el3

.macro INSTALL loop, el
        msr     ttbr0_el\el, x24
        INSTALL_COMMON \loop, \el
        ldr     x0, [x22, #REGISTER_SCTLR*8]
        msr     sctlr_el\el, x0
        mov     x0, #SPSR_EL\el
        msr     spsr_el3, x0
        adr     x0, run_\loop
        sub     x0, x0, x19
        add     x0, x0, x23
        msr     elr_el3, x0
.endm

.macro INSTALL_COMMON loop, el
        ldr     x0, [x22, #REGISTER_TCR*8]
        msr     tcr_el\el, x0
        ldr     x0, [x22, #REGISTER_MAIR*8]
        msr     mair_el\el, x0
        adr     x0, vectors_\loop
        sub     x0, x0, x19
        add     x0, x0, x23
        msr     vbar_el\el, x0
.endm

install_el1:
        ldr     x0, [x22, #REGISTER_TTBR1*8]
        msr     ttbr1_el1, x0
        tbnz    x1, #HCR_VM_BIT, install_nested
        tbnz    x1, #HCR_DC_BIT, install_nested
        INSTALL el1, 1
        b       enter
install_nested:
        ldr     x0, [x22, #REGISTER_VTCR*8]
        msr     vtcr_el2, x0
        ldr     x0, [x22, #REGISTER_VTTBR*8]
        msr     vttbr_el2, x0
        mov     x0, #(SCTLR_OFF & 0xffff)
        movk    x0, #(SCTLR_OFF >> 16), lsl #16
        msr     sctlr_el2, x0
        adr     x0, vectors_stage_two
        msr     vbar_el2, x0
        INSTALL el1_nested, 1
        b       enter
install_el2:
        tbz     x1, #HCR_E2H_BIT, 1f
        ldr     x0, [x22, #REGISTER_TTBR1*8]
        msr     ttbr1_el2, x0
1:      INSTALL el2, 2
enter:
        tlbi    alle1
        tlbi    alle2
        dsb     sy
        isb
        mrs     x0, cntpct_el0
        str     x0, [x20, #CONTROL_T0]
        eret

// EL3 has no level above it from which its MMU could be switched. So it is switched under tables that map the
// region where it physically is and where the loop sees itself, and only then the tables under test come.
install_el3:
        INSTALL_COMMON el3, 3
        ldr     x0, [x22, #REGISTER_BRIDGE*8]
        msr     ttbr0_el3, x0
        mrs     x0, cntpct_el0
        str     x0, [x20, #CONTROL_T0]
        ldr     x0, [x22, #REGISTER_SCTLR*8]
        tlbi    alle3
        dsb     sy
        isb
        msr     sctlr_el3, x0
        isb
        adr     x0, 1f
        sub     x0, x0, x19
        add     x0, x0, x23
        ret     x0
1:      msr     ttbr0_el3, x24
        isb
        tlbi    alle3
        dsb     sy
        isb
        b       run_el3
end_el3:
        ldr     x0, [x20, #CONTROL_REGISTERS + REGISTER_LIVE*8]
        cbnz    x0, end_el3_live
leave_el3:
        ldr     x0, [x20, #CONTROL_REGISTERS + REGISTER_BRIDGE*8]
        msr     ttbr0_el3, x0
        isb
        tlbi    alle3
        dsb     sy
        isb
        mrs     x1, tpidr_el3           // where the region physically is
        adr     x0, 1f
        sub     x0, x0, x19
        add     x0, x0, x1
        ret     x0
1:      mov     x0, #(SCTLR_OFF & 0xffff)
        movk    x0, #(SCTLR_OFF >> 16), lsl #16
        msr     sctlr_el3, x0
        isb
        adr     x0, monitor_vectors
        msr     vbar_el3, x0
        isb
        mrs     x0, cntpct_el0
        adr     x19, start
        add     x20, x19, #CONTROL_OFFSET
        str     x0, [x20, #CONTROL_T1]
        ldr     w21, [x20, #CONTROL_DOORBELL]
        b       acknowledge

// From a lower level: the end of a batch, or what should never happen.
batch_done:
        isb
        mrs     x0, cntpct_el0
        adr     x19, start
        add     x20, x19, #CONTROL_OFFSET
        str     x0, [x20, #CONTROL_T1]
        mrs     x0, esr_el3
        lsr     x1, x0, #EC_SHIFT
        cmp     x1, #EC_SMC
        b.ne    report_failure
        ldr     w21, [x20, #CONTROL_DOORBELL]
        b       acknowledge

monitor_failure:
        adr     x19, start
        add     x20, x19, #CONTROL_OFFSET
        mrs     x0, esr_el3
report_failure:                         // DONE stays below COUNT: the host looks here
        mrs     x1, elr_el3
        mrs     x2, far_el3
        orr     x0, x0, #(1 << 63)
        str     x0, [x20, #CONTROL_FAILURE_SYNDROME]
        stp     x1, x2, [x20, #CONTROL_FAILURE_INSTRUCTION]
        ldr     w21, [x20, #CONTROL_DOORBELL]
        b       acknowledge

// Moves the stub to another region: the guest itself copies the code and wipes what it leaves, because an
// emulator notices only the guest's own writes to code that it has translated. The host has written the
// new control block before.
move:
        ldr     x1, [x20, #CONTROL_REGISTERS + REGISTER_STUB*8]
        mov     x2, #0
1:      cmp     x2, #CONTROL_OFFSET
        b.ne    2f
        mov     x2, #CONTROL_END
2:      add     x3, x19, x2
        ldp     x5, x6, [x3]
        add     x4, x1, x2
        stp     x5, x6, [x4]
        add     x2, x2, #16
        cmp     x2, #CODE_BYTES
        b.ne    1b
        dsb     sy
        ic      iallu
        dsb     sy
        isb
        add     x2, x1, #(arrive - start)
        br      x2
arrive:
        mov     x3, x19                 // the region that is left
        adr     x19, start
        add     x20, x19, #CONTROL_OFFSET
        mov     x2, #CODE_BYTES
3:      stp     xzr, xzr, [x3], #16
        subs    x2, x2, #16
        b.ne    3b
        bl      take_over
        ldr     w21, [x20, #CONTROL_DOORBELL]
        b       acknowledge

// Offset 0x400 is a synchronous exception from a lower level (Arm ARM D1.4.1); all else is a failure.
.section .monitor_vectors, "ax"
monitor_vectors:
.set vector, 0
.rept 16
        .balign 0x80
.if vector == 8
        b       batch_done
.else
        b       monitor_failure
.endif
.set vector, vector + 1
.endr
