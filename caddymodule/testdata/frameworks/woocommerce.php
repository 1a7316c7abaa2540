<?php
// index.php: as much of WordPress and WooCommerce as the snippet needs. /index.php?wc-api=x does the action woocommerce_api_x.
require __DIR__ . '/db.php';
define('ABSPATH', __DIR__ . '/');
$actions = [];

function add_action($name, $do)
{
    $GLOBALS['actions'][$name] = $do;
}

function status_header($status)
{
    http_response_code($status);
}

function wp_die($text, $title, $status)
{
    http_response_code($status);
    exit("<!DOCTYPE html><html><head><title>WordPress &rsaquo; Error</title></head><body>$text</body></html>");
}

function wp_send_json($value)
{
    header('Content-Type: application/json');
    exit(json_encode($value));
}

function wc_format_decimal($number, $decimals)
{
    return number_format((float) $number, $decimals, '.', '');
}

class WC_Order
{
    private $row;

    public function __construct($row)
    {
        $this->row = $row;
    }

    public function get_id()
    {
        return (int) $this->row['order_no'];
    }

    public function get_total()
    {
        return substr_replace(sprintf('%03d', $this->row['total']), '.', -2, 0);
    }

    public function get_meta($name)
    {
        return $name === 'openid' ? (string) $this->row['openid'] : '';
    }

    public function get_transaction_id()
    {
        return (string) $this->row['charge'];
    }

    public function needs_payment()
    {
        return $this->row['state'] === 'payable';
    }

    public function is_paid()
    {
        return $this->row['state'] === 'paid';
    }

    public function payment_complete($transaction)
    {
        global $db;
        $db->prepare("UPDATE orders SET state = 'paid', charge = ? WHERE order_no = ?")->execute([$transaction, $this->get_id()]);
        $db->prepare('INSERT INTO shipments (order_no) VALUES (?)')->execute([$this->get_id()]);
    }
}

function wc_get_order($id)
{
    $find = $GLOBALS['db']->prepare('SELECT * FROM orders WHERE order_no = ?');
    $find->execute([$id]);
    $row = $find->fetch(PDO::FETCH_ASSOC);
    return $row ? new WC_Order($row) : false;
}

require __DIR__ . '/snippet.php';
$action = 'woocommerce_api_' . (isset($_GET['wc-api']) ? $_GET['wc-api'] : '');
isset($actions[$action]) ? $actions[$action]() : http_response_code(404);
