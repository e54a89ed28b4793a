/* options.c - the defaults of rill_start and the checks of what differs from them.
 *
 * Both ends of the device must be hosts of one network: the kernel finds the stack by the route that comes
 * with the device's own address, so anything else would start and then be silent. */
#include "options.h"

#include "gate.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

void rill_options_default(struct rill_options *options)
{
    memset(options, 0, sizeof *options);
    options->tun = "rill0";
    options->addr = "10.77.0.2";
    options->peer = "10.77.0.1/24";
    options->mtu = 1500;
    options->tun_fd = -1;
    rill_config_default(&options->engine);
}

/* "a.b.c.d" or, with prefix_len, "a.b.c.d/n". */
static bool parse(const char *text, uint32_t *addr, uint8_t *prefix_len)
{
    char copy[INET_ADDRSTRLEN];
    size_t len = strcspn(text, "/");
    struct in_addr in;
    if (len >= sizeof copy)
        return false;
    memcpy(copy, text, len);
    copy[len] = '\0';
    if (inet_pton(AF_INET, copy, &in) != 1)
        return false;
    *addr = ntohl(in.s_addr);
    const char *digits = text + len;
    if (prefix_len == NULL)
        return *digits == '\0';
    if (*digits++ != '/' || *digits == '\0' || (digits[0] == '0' && digits[1] != '\0'))
        return false; /* 024 would be 20 to some */
    unsigned value = 0;
    for (; *digits >= '0' && *digits <= '9' && value < 100; digits++)
        value = value * 10 + (unsigned)(*digits - '0');
    *prefix_len = value > UINT8_MAX ? UINT8_MAX : (uint8_t)value;
    return *digits == '\0';
}

/* As the kernel's dev_valid_name, and no `%`, which would ask the kernel to number the device. */
static bool name_valid(const char *name)
{
    size_t len = strlen(name);
    return len > 0 && len < IFNAMSIZ && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
           strpbrk(name, "/:% \t\n\v\f\r") == NULL;
}

static int check_host(const char *what, const char *text, uint32_t addr, uint32_t mask,
                      struct tun_error *error)
{
    if (addr >> 24 == 0 || addr >> 24 == 127 || addr >> 28 >= 14)
        return tun_fail(error, EINVAL, "%s %s is no host's address: choose one such as 10.77.0.2", what,
                        text);
    if ((addr & ~mask) == 0 || (addr & ~mask) == ~mask)
        return tun_fail(error, EINVAL,
                        "%s %s is the network's own or its broadcast address: choose one in between", what,
                        text);
    return 0;
}

int options_check(const struct rill_options *options, struct tun_config *config, struct tun_error *error)
{
    *config = (struct tun_config){.name = options->tun, .mtu = options->mtu};
    if (options->tun_fd < 0 && (options->tun == NULL || !name_valid(options->tun)))
        return tun_fail(error, EINVAL,
                        "bad device name \"%.40s\": 1 to %d characters without / : %% or blanks",
                        options->tun == NULL ? "" : options->tun, IFNAMSIZ - 1);
    if (options->addr == NULL || !parse(options->addr, &config->addr, NULL))
        return tun_fail(error, EINVAL, "addr \"%.40s\" is no IPv4 address: write it as 10.77.0.2",
                        options->addr == NULL ? "" : options->addr);
    if (options->peer == NULL || !parse(options->peer, &config->peer, &config->prefix_len))
        return tun_fail(error, EINVAL,
                        "peer \"%.40s\" is no IPv4 address with a prefix length: write it as 10.77.0.1/24",
                        options->peer == NULL ? "" : options->peer);
    if (config->prefix_len < 1 || config->prefix_len > 30)
        return tun_fail(error, EINVAL, "the prefix length of peer %s must be 1 to 30", options->peer);
    uint32_t mask = UINT32_MAX << (32 - config->prefix_len);
    int result = check_host("addr", options->addr, config->addr, mask, error);
    if (result == 0)
        result = check_host("peer", options->peer, config->peer, mask, error);
    if (result != 0)
        return result;
    if (config->addr == config->peer)
        return tun_fail(error, EINVAL, "addr and peer are both %s: the kernel and the stack need one each",
                        options->addr);
    if (((config->addr ^ config->peer) & mask) != 0)
        return tun_fail(error, EINVAL,
                        "addr %s is not in the network of peer %s: choose it from that network",
                        options->addr, options->peer);
    struct link_config link;
    result = gate_parse(options->link_in, &link, error);
    if (result == 0)
        result = gate_parse(options->link_out, &link, error);
    if (result != 0)
        return result;
    if (options->mtu < 68 || options->mtu > 65535)
        return tun_fail(error, EINVAL, "mtu %d is out of range: 68 to 65535, 1500 is usual", options->mtu);
    return 0;
}
