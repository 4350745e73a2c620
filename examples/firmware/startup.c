/* Start-up of a Cortex-M: the vector table, and what has to happen before main(). */
#include <stdint.h>

#include "board.h"

#define CPACR (*(volatile uint32_t *)0xE000ED88u) /* who may use the FPU */

/* From the linker script. */
extern uint32_t data_start[], data_end[], bss_start[], bss_end[], stack_top[];
extern const uint32_t data_values[];

int main(void);
void reset_handler(void);
void fault_handler(void);

void reset_handler(void)
{
    const uint32_t *value = data_values;

    for (uint32_t *word = data_start; word != data_end; word++) {
        *word = *value++;
    }
    for (uint32_t *word = bss_start; word != bss_end; word++) {
        *word = 0;
    }
#if defined(__ARM_FP)
    CPACR |= 0xFu << 20;
    __asm__ volatile("dsb\n isb");
#endif
    board_finish(main());
}

void fault_handler(void)
{
    board_print("fault\n");
    board_finish(1);
}

/* Nothing is interrupted here: every exception but reset is a fault. */
typedef void (*vector)(void);
__attribute__((used, section(".vectors"))) static const vector vectors[16] = {
    (vector)stack_top, reset_handler, fault_handler, fault_handler, fault_handler, fault_handler,
    fault_handler,     fault_handler, fault_handler, fault_handler, fault_handler, fault_handler,
    fault_handler,     fault_handler, fault_handler, fault_handler,
};
