/* test_loss.c - a file to the echo service and back through a hop that loses packets.
 *
 *     rill ─ rill0 ─ [stack] ─ veth ─ [hop: nftables drops 5 % each way] ─ veth ─ [client] ─ nc
 *     10.77.0.2    10.77.0.1/26        10.77.0.64/26        10.77.0.128/26      10.77.0.130
 *
 * The brackets are namespaces.  The loss is on a hop of its own because the kernel sees that of its own host
 * and does not take it for loss.  gso_max_segs 1: one packet is one segment, so that what is dropped is that.
 * Reno, because every kernel has it and it sends little for nothing: the counts are close. */
#include "test.h"

#include "scene.h"

#define BYTES "4194304"

/* The client's namespace; the hop's in *hop. */
static int build_hop(int *hop)
{
    int stack = scene_here(), client;
    *hop = scene_namespace();
    client = scene_namespace();
    scene_do("ip link add to-hop gso_max_segs 1 type veth peer name to-rill netns /proc/self/fd/%d &&"
             " ip addr add 10.77.0.65/26 dev to-hop && ip link set to-hop up &&"
             " ip route add 10.77.0.128/26 via 10.77.0.66 && echo 1 >/proc/sys/net/ipv4/ip_forward",
             *hop);
    scene_enter(*hop);
    scene_do("ip link add to-client gso_max_segs 1 type veth peer name eth0 netns /proc/self/fd/%d &&"
             " ip addr add 10.77.0.66/26 dev to-rill && ip link set to-rill gso_max_segs 1 up &&"
             " ip addr add 10.77.0.129/26 dev to-client && ip link set to-client up &&"
             " ip route add 10.77.0.0/26 via 10.77.0.65 && echo 1 >/proc/sys/net/ipv4/ip_forward",
             client);
    scene_enter(client);
    scene_do("ip addr add 10.77.0.130/26 dev eth0 && ip link set eth0 gso_max_segs 1 up &&"
             " ip route add default via 10.77.0.129 && echo reno >/proc/sys/net/ipv4/tcp_congestion_control");
    scene_enter(stack);
    CHECK(close(stack) == 0);
    return client;
}

/* In the hop: rules that drop 5 % and count what they dropped: `up` towards rill, `down` towards the client.
 * Data segments are counted apart from ACKs. */
static void lose(void)
{
    scene_do("nft -f - <<'END'\n"
             "table ip hop {\n"
             "    counter up {}\n    counter up_data {}\n    counter down {}\n    counter down_data {}\n"
             "    chain lost_up { ip length > 1000 counter name up_data; counter name up drop; }\n"
             "    chain lost_down { ip length > 1000 counter name down_data; counter name down drop; }\n"
             "    chain forward {\n"
             "        type filter hook forward priority 0;\n"
             "        iifname \"to-client\" numgen random mod 100 < 5 jump lost_up\n"
             "        iifname \"to-rill\" numgen random mod 100 < 5 jump lost_down\n"
             "    }\n"
             "}\n"
             "END\n");
}

static uint64_t lost(const char *counter)
{
    static char out[COMMAND_TEXT_BYTES];
    CHECK(scene_try(out, "nft list counter ip hop %s", counter) == 0);
    const char *packets = strstr(out, "packets ");
    CHECK(packets != NULL);
    return strtoull(packets + strlen("packets "), NULL, 10);
}

static void body_echo__4_megabytes_over_5_percent_loss__come_back_unchanged(void)
{
    int hop, client, stack = scene_here();
    scene_needs("nc");
    scene_needs("ip");
    scene_needs("nft");
    struct command rill = scene_serve(ARGV("--peer", "10.77.0.1/26", "echo"));
    client = build_hop(&hop);
    scene_enter(client);
    scene_do("ping -q -c 1 -W 5 10.77.0.2");
    scene_enter(hop);
    lose();
    scene_enter(client);
    int64_t began_us = mono_us();
    scene_do("head -c " BYTES " /dev/urandom >sent; timeout 50 nc -N 10.77.0.2 7 <sent >received");
    int64_t took_us = mono_us() - began_us;
    scene_do("a=$(sha256sum <sent) b=$(sha256sum <received); echo \"$a $b\"; test \"$a\" = \"$b\"");
    uint64_t kernel_resent = scene_snmp("Tcp", "RetransSegs");
    scene_enter(hop);
    uint64_t up = lost("up"), up_data = lost("up_data"), down = lost("down"), down_data = lost("down_data");
    scene_enter(stack);
    scene_stop(&rill);
    (void)fprintf(stderr,
                  "%d ms; lost up %d (data %d), down %d (data %d); sent again by the kernel %d, by rill %d"
                  " (RTO %d, recoveries %d)\n",
                  (int)(took_us / 1000), (int)up, (int)up_data, (int)down, (int)down_data, (int)kernel_resent,
                  (int)scene_counter("SEG_RESENT"), (int)scene_counter("RTO_FIRED"),
                  (int)scene_counter("RECOVERY"));
    /* 4 MiB are 2,873 full segments each way; 5 % of them are 143, and less than 70 is beyond six sigma. */
    CHECK(up_data >= 70 && down_data >= 70);
    /* Nothing that was lost came by itself: each full segment was sent again, in one piece. */
    CHECK(kernel_resent >= up_data && scene_counter("SEG_RESENT") >= down_data);
    CHECK(scene_counter("BYTES_IN") == 4194304 && scene_counter("BYTES_OUT") == 4194304);
    /* With SACK, losses are found by RACK, not by counting duplicate ACKs (RFC 8985 3). */
    CHECK(scene_counter("RECOVERY") > 0 && scene_counter("OUT_OF_ORDER") > 0);
    CHECK(scene_counter("RST_OUT") == 0 && scene_counter("RST_IN") == 0);
}
SCENE(echo__4_megabytes_over_5_percent_loss__come_back_unchanged)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(echo__4_megabytes_over_5_percent_loss__come_back_unchanged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
